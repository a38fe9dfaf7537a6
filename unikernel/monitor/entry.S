// The ways into the image, and from each of them to ring 3.
//
//   pvh_entry     32-bit protected mode, ebx = start_info (Xen's PVH ABI; QEMU, Firecracker)
//   hermit_entry  long mode, rdi = boot info, rsi = core number (hermit-entry 4; uhyve). All cores arrive at once
//   trampoline    16-bit real mode, from a start-up IPI
//
// Until `ready` the tables of boot_pml4 hold: the first 8 MiB, identity-mapped, for ring 0 only.

.equ TRAMPOLINE,      0x8000        // a page of conventional memory that no boot protocol uses
.equ TRAMPOLINE_GDT,   48           // offset of its GDT pointer
.equ TRAMPOLINE_BYTES, 64
.equ BOOT_PVH,        1
.equ BOOT_HERMIT,     2

.equ SELECTOR_CODE,   0x08
.equ SELECTOR_DATA,   0x10
.equ SELECTOR_CODE32, 0x18          // boot_gdt only
.equ SELECTOR_USER_DATA, 0x1b
.equ SELECTOR_USER_CODE, 0x23
.equ SELECTOR_TSS,    0x28

.equ CR0_BITS,        0x80010033    // PG WP NE ET MP PE: EM clear, for SSE
.equ CR4_BITS,        0x620         // PAE OSFXSR OSXMMEXCPT
.equ MSR_EFER,        0xc0000080
.equ EFER_BITS,       0x900         // LME NXE

.section .note.pvh, "a"
    .align 4
    .long 4, 4, 18                  // XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long pvh_entry

.section .monitor.text, "ax"

// ---- PVH ----

.code32
.global pvh_entry
pvh_entry:
    cld
    mov dword ptr [boot_kind], BOOT_PVH
    mov dword ptr [boot_info], ebx
    lea esi, [trampoline]
    mov edi, TRAMPOLINE
    mov ecx, TRAMPOLINE_BYTES
    rep movsb
    lea edi, [ready]
    jmp enter_long_mode

// ---- a core started by IPI ----

.code16
trampoline:
    cli
    mov ax, cs
    mov ds, ax
    lgdt [TRAMPOLINE_GDT]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    .byte 0x66, 0xea                // ljmp SELECTOR_CODE32:secondary_entry
    .long secondary_entry
    .word SELECTOR_CODE32
    .org trampoline + TRAMPOLINE_GDT
    .word boot_gdt_end - boot_gdt - 1
    .long boot_gdt
    .org trampoline + TRAMPOLINE_BYTES

.code32
secondary_entry:
    mov ax, SELECTOR_DATA
    mov ds, ax
    mov es, ax
    mov ss, ax
    lea edi, [secondary_ready]

// To long mode, and on at edi.
enter_long_mode:
    lgdt [boot_gdt_pointer]
    mov eax, CR4_BITS
    mov cr4, eax
    lea eax, [boot_pml4]
    mov cr3, eax
    mov ecx, MSR_EFER
    rdmsr
    or eax, EFER_BITS
    wrmsr
    mov eax, CR0_BITS
    mov cr0, eax
    .byte 0xea                      // ljmp SELECTOR_CODE:long_mode
    .long long_mode
    .word SELECTOR_CODE

.code64
long_mode:
    mov eax, SELECTOR_DATA
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov edi, edi
    jmp rdi

// ---- Hermit ----

.global hermit_entry
hermit_entry:
    cli
    test rsi, rsi
    jnz hermit_secondary
    cld
    lea rax, [boot_pml4]
    mov cr3, rax                    // uhyve's own tables map little
    lea rsp, [core_0 + CORE_STACK_TOP]
    mov dword ptr [boot_kind], BOOT_HERMIT
    mov qword ptr [boot_info], rdi
    lea rsi, [trampoline]
    mov edi, TRAMPOLINE
    mov ecx, TRAMPOLINE_BYTES
    rep movsb
    lgdt [boot_gdt_pointer]
    mov eax, CR4_BITS
    mov cr4, rax
    mov ecx, MSR_EFER
    rdmsr
    or eax, EFER_BITS
    wrmsr
    mov eax, CR0_BITS
    mov cr0, rax
    push SELECTOR_CODE
    lea rax, [ready]
    push rax
    mov eax, SELECTOR_DATA
    mov ds, eax
    mov es, eax
    mov ss, eax
    retfq

// The others wait for the INIT and start-up IPIs that start cores everywhere.
hermit_secondary:
    hlt
    jmp hermit_secondary

// ---- the first core, in long mode ----

ready:
    lea rsp, [core_0 + CORE_STACK_TOP]
    mov eax, 0x80000001
    cpuid
    shr edx, 26                     // 1 GiB pages
    and edx, 1
    mov [has_gib_pages], edx
    lea rbx, [image_regions]
1:  mov rdi, [rbx]
    mov rsi, [rbx + 8]
    mov rdx, [rbx + 16]
    call map_pages
    add rbx, 24
    lea rax, [image_regions_end]
    cmp rbx, rax
    jb 1b
    call apic_detect
    lea rax, [pml4]
    mov cr3, rax
    call build_idt
    lea rdi, [core_0]
    call core_init_block
    lea rdi, [core_0 + CORE_PORTS]  // no port is granted yet
    mov ecx, PORT_BYTES / 8
    mov rax, -1
    rep stosq
    lea rdi, [core_0]
    lea rax, [boot_stack_top]
    mov [rdi + CORE_USER_STACK], rax
    lea rax, [primary_main]
    mov rsi, [boot_info]
    mov edx, [boot_kind]
    jmp core_start

// ---- any other core, in long mode ----

secondary_ready:
    lea rax, [pml4]
    mov cr3, rax
    mov rdi, [next_core]
    lea rsp, [rdi + CORE_STACK_TOP]
    lea rax, [secondary_main]
    mov rsi, [rdi + CORE_INDEX]
    xor edx, edx

// Loads the tables of the core whose block is at rdi and enters ring 3 at rax with (rsi, rdx) as its arguments.
core_start:
    push rax
    push rsi
    push rdx
    mov word ptr [rsp - 16], CORE_TSS - CORE_GDT - 1
    lea rcx, [rdi + CORE_GDT]
    mov [rsp - 14], rcx
    lgdt [rsp - 16]
    lidt [idt_pointer]
    mov eax, SELECTOR_TSS
    ltr ax
    call apic_enable
    pop r8
    pop r9
    pop rcx
    push SELECTOR_USER_DATA
    mov rax, [rdi + CORE_USER_STACK]
    sub rax, 8                      // as after a call: rsp = 8 modulo 16
    push rax
    push 2                          // rflags: IF clear, IOPL 0
    push SELECTOR_USER_CODE
    push rcx
    mov rdi, r9
    mov rsi, r8
    xor ebp, ebp                    // ends a walk of frame pointers
    mov eax, SELECTOR_USER_DATA
    mov ds, eax
    mov es, eax
    iretq

.section .monitor.data, "aw"
    .align 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff        // SELECTOR_CODE
    .quad 0x00cf93000000ffff        // SELECTOR_DATA
    .quad 0x00cf9b000000ffff        // SELECTOR_CODE32
boot_gdt_end:
boot_gdt_pointer:
    .word boot_gdt_end - boot_gdt - 1
    .quad boot_gdt

    .align 8
// What the final tables map of the image: from, to, kind.
image_regions:
    .quad image_start, monitor_text_end, MAP_MONITOR_TEXT
    .quad text_start, text_end, MAP_TEXT
    .quad text_end, rodata_end, MAP_READ
    .quad rodata_end, monitor_data_end, MAP_MONITOR
    .quad data_start, data_end, MAP_RAM
    .quad data_end, monitor_bss_end, MAP_MONITOR
    .quad boot_stack_bottom, boot_stack_top, MAP_RAM
    .quad crash_stack_bottom, crash_stack_top, MAP_RAM
image_regions_end:

boot_kind: .quad 0
boot_info: .quad 0
.global next_core
next_core: .quad 0                  // block of the core being started

    .align 4096
boot_pml4:
    .quad boot_pdpt + 3
    .fill 511, 8, 0
boot_pdpt:
    .quad boot_pd + 3
    .fill 511, 8, 0
boot_pd:
    .quad 0x000083, 0x200083, 0x400083, 0x600083
    .fill 508, 8, 0
