// The local APIC (SDM volume 3, chapter 11): x2APIC registers by MSR where the CPU has them, else by MMIO.
// The timer is a TSC deadline where the CPU has that, else a one-shot count of the APIC's clock.

.equ MSR_APIC_BASE,    0x1b
.equ MSR_TSC_DEADLINE, 0x6e0
.equ MSR_X2APIC,       0x800
.equ APIC_MMIO,        0xfee00000

// Register numbers, as in MSR_X2APIC + n and APIC_MMIO + n * 16
.equ APIC_TPR,         0x08
.equ APIC_EOI,         0x0b
.equ APIC_SVR,         0x0f
.equ APIC_ICR_LOW,     0x30
.equ APIC_ICR_HIGH,    0x31
.equ APIC_LVT_TIMER,   0x32
.equ APIC_LVT_LINT0,   0x35
.equ APIC_LVT_LINT1,   0x36
.equ APIC_TIMER_INITIAL, 0x38
.equ APIC_TIMER_CURRENT, 0x39
.equ APIC_TIMER_DIVIDE,  0x3e

.equ VECTOR_TIMER,     0x20
.equ VECTOR_WAKE,      0x21
.equ VECTOR_SPURIOUS,  0x3f
.equ LVT_MASKED,       0x10000
.equ LVT_TSC_DEADLINE, 0x40000

.section .monitor.text, "ax"
.code64

// Finds out what there is, and maps the registers if they are memory. Clobbers all but rbx... none is live here.
apic_detect:
    mov eax, 1
    cpuid
    bt ecx, 24
    setc byte ptr [has_tsc_deadline]
    bt ecx, 21
    setc byte ptr [has_x2apic]
    jc 1f
    mov edi, APIC_MMIO
    mov esi, APIC_MMIO + 0x1000
    mov edx, MAP_MONITOR_DEVICE
    call map_pages
1:  ret

// Switches on the APIC of this core. Keeps rdi.
apic_enable:
    mov ecx, MSR_APIC_BASE
    rdmsr
    or eax, 0x800
    cmp byte ptr [has_x2apic], 0
    je 1f
    wrmsr                           // x2APIC only from enabled xAPIC
    or eax, 0x400
1:  wrmsr
    mov ecx, APIC_SVR
    mov eax, 0x100 | VECTOR_SPURIOUS
    call apic_write
    mov ecx, APIC_TPR
    xor eax, eax
    call apic_write
    mov ecx, APIC_LVT_LINT0
    mov eax, LVT_MASKED
    call apic_write
    mov ecx, APIC_LVT_LINT1
    mov eax, LVT_MASKED
    call apic_write
    mov ecx, APIC_TIMER_DIVIDE
    mov eax, 0xb                    // by one
    call apic_write
    mov ecx, APIC_LVT_TIMER
    mov eax, VECTOR_TIMER
    cmp byte ptr [has_tsc_deadline], 0
    je apic_write
    or eax, LVT_TSC_DEADLINE

// Register ecx = eax. Clobbers rcx, rdx.
apic_write:
    cmp byte ptr [has_x2apic], 0
    je 1f
    add ecx, MSR_X2APIC
    xor edx, edx
    wrmsr
    ret
1:  shl ecx, 4
    mov edx, APIC_MMIO
    add rcx, rdx
    mov [rcx], eax
    ret

// eax = register ecx. Clobbers rcx, rdx.
apic_read:
    cmp byte ptr [has_x2apic], 0
    je 1f
    add ecx, MSR_X2APIC
    rdmsr
    ret
1:  shl ecx, 4
    mov edx, APIC_MMIO
    add rcx, rdx
    mov eax, [rcx]
    ret

// Sends interrupt command eax to the core with APIC id edi. Clobbers rax, rcx, rdx.
apic_send:
    cmp byte ptr [has_x2apic], 0
    je 1f
    mov ecx, MSR_X2APIC + APIC_ICR_LOW
    mov edx, edi
    wrmsr
    ret
1:  mov r8d, eax
    mov eax, edi
    shl eax, 24
    mov ecx, APIC_ICR_HIGH
    call apic_write
    mov eax, r8d
    mov ecx, APIC_ICR_LOW
    jmp apic_write

.section .monitor.data, "aw"
has_x2apic:       .byte 0
has_tsc_deadline: .byte 0
