// Exceptions and interrupts. Ring 3 runs with IF clear, so an interrupt only ever ends a `hlt` of call_halt; an exception
// in ring 3 is a monitor call (#UD at the gate) or a crash, and the crash is handed up to ring 3.

.equ EXCEPTIONS,       32
.equ VECTORS,          64
.equ STUB_BYTES,       16
.equ GATE_BYTES,       16
.equ GATE_INTERRUPT,   0x8e         // present, DPL 0, interrupt gate
.equ VECTOR_UD,        6
// Forward references would be taken for memory operands: calls.S checks it.
.equ CALLS,            9
.equ CRASH_WORDS,      15 + 7       // general registers; vector, error, rip, cs, rflags, rsp, ss
.equ DEBUG_EXIT_PORT,  0x501        // abi::exit::DEBUG_EXIT_PORT
.equ UHYVE_EXIT_PORT,  0x1010
.equ EXIT_CRASH_IN_CRASH, 50        // abi::exit::Exit::CrashInCrash

.section .monitor.text, "ax"
.code64

// ---- exceptions: one stub each, a fixed size apart ----

    .align STUB_BYTES
exception_stubs:
    .set vector, 0
    .rept EXCEPTIONS
        .align STUB_BYTES
        // those for which the CPU pushes no error code
        .if (vector < 8) || (vector == 9) || ((vector > 14) && (vector != 17) && (vector != 21) && (vector < 29)) || (vector == 31)
        push 0
        .endif
        push vector
        jmp exception
        .set vector, vector + 1
    .endr

exception:
    cmp qword ptr [rsp], VECTOR_UD
    jne crash
    cmp qword ptr [rsp + 16], offset monitor_gate
    jne crash
    add rsp, 16
    add qword ptr [rsp], 2          // on behind the ud2
    cmp rax, CALLS
    jae 1f
    lea rcx, [calls]
    call [rcx + rax * 8]
    iretq
1:  mov rax, -1
    iretq

// ---- interrupts ----

interrupt:
    push rax
    push rcx
    push rdx
    mov ecx, APIC_EOI
    xor eax, eax
    call apic_write
    pop rdx
    pop rcx
    pop rax
spurious_interrupt:                 // has no end of interrupt
    iretq

// ---- crashes ----

// Copies the registers to crash_record and goes on at crash_main in ring 3, on a stack of its own. The first core to crash
// has it; the others stop. A crash of the reporter itself ends the machine.
crash:
    push r15
    push r14
    push r13
    push r12
    push r11
    push r10
    push r9
    push r8
    push rbp
    push rdi
    push rsi
    push rdx
    push rcx
    push rbx
    push rax
    cld
    mov rbx, rsp
    and rbx, CORE_MASK              // this core's block
    xor eax, eax
    lock cmpxchg [crashed_core], rbx
    jz 1f
    cmp rax, rbx
    je crash_in_crash
stop:
    hlt                             // IF is clear: for ever, NMIs aside
    jmp stop
1:  mov rsi, rsp
    lea rdi, [crash_record]
    mov ecx, CRASH_WORDS
    rep movsq
    mov rax, cr2
    mov [rdi], rax
    mov rax, [rbx + CORE_INDEX]
    mov [rdi + 8], rax
    lea rsp, [rbx + CORE_STACK_TOP]
    push SELECTOR_USER_DATA
    lea rax, [crash_stack_top - 8]
    push rax
    push 2
    push SELECTOR_USER_CODE
    lea rax, [crash_main]
    push rax
    lea rdi, [crash_record]
    xor ebp, ebp
    iretq

crash_in_crash:
    mov edi, EXIT_CRASH_IN_CRASH
    mov eax, edi
    mov edx, DEBUG_EXIT_PORT
    out dx, eax
    mov edx, UHYVE_EXIT_PORT
    out dx, eax
// Resets the machine: a fault that cannot be delivered.
call_reset:
    lidt [no_idt_pointer]
    ud2

// Fills in the IDT. Clobbers rax, rcx, rdx, rdi.
build_idt:
    lea rdi, [idt]
    lea rax, [exception_stubs]
    xor ecx, ecx
1:  mov rdx, rax
    mov [rdi], dx
    mov word ptr [rdi + 2], SELECTOR_CODE
    mov word ptr [rdi + 4], GATE_INTERRUPT << 8
    shr rdx, 16
    mov [rdi + 6], rdx              // and zeroes above: the image lies below 4 GiB
    add rdi, GATE_BYTES
    inc ecx
    cmp ecx, EXCEPTIONS
    ja 2f
    je 3f
    add rax, STUB_BYTES
    jmp 1b
3:  lea rax, [interrupt]
2:  cmp ecx, VECTORS - 1
    jb 1b
    lea rax, [spurious_interrupt]
    je 1b
    // these may strike while the ring-0 stack is not usable
    mov byte ptr [idt + 2 * GATE_BYTES + 4], 1
    mov byte ptr [idt + 8 * GATE_BYTES + 4], 1
    mov byte ptr [idt + 18 * GATE_BYTES + 4], 1
    ret

.section .monitor.data, "aw"
    .align 8
idt_pointer:
    .word VECTORS * GATE_BYTES - 1
    .quad idt
no_idt_pointer:
    .word 0
    .quad 0
    .align 8
crashed_core: .quad 0

.section .monitor.bss, "aw", @nobits
    .align 16
idt:
    .skip VECTORS * GATE_BYTES

// Ring 3 reads it: monitor.rs, CrashRecord.
.section .data, "aw"
    .align 8
crash_record:
    .skip (CRASH_WORDS + 2) * 8
