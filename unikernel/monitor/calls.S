// Monitor calls: what ring 3 may ask for. The number is in rax, arguments are in rdi, rsi, rdx, the answer comes in rax.
// Each keeps the registers that the SysV ABI keeps. monitor.rs gives them types.

// ---- the gate, in ring 3 ----

.section .text.monitor_gate, "ax"
.code64
.global monitor_call
monitor_call:
    mov rax, rcx                    // the fourth argument of the C function is the number
monitor_gate:
    ud2
    ret

// ---- behind it, in ring 0 ----

.section .monitor.text, "ax"

// Halts until an interrupt. rdi: when the timer fires, a TSC value or a count of the APIC's clock (call_apic says which);
// 0: never.
call_halt:
    cmp byte ptr [has_tsc_deadline], 0
    je 1f
    mov ecx, MSR_TSC_DEADLINE
    mov eax, edi
    mov rdx, rdi
    shr rdx, 32
    wrmsr
    jmp 2f
1:  mov ecx, APIC_TIMER_INITIAL
    mov eax, edi
    call apic_write
2:  sti
    hlt
    cli
    xor eax, eax
    ret

// Maps rdi..rsi as kind rdx, MAP_NONE to MAP_MONITOR. Refuses the image. Page 0 may be read
// while boot information lies in it, but never written.
call_map:
    cmp rdx, MAP_MONITOR
    ja refuse
    mov rax, rdi
    or rax, rsi
    test eax, ADDRESS_BYTES_4K - 1
    jnz refuse
    cmp rdi, ADDRESS_BYTES_4K
    jae 2f
    cmp rdx, MAP_READ
    ja refuse
2:  bt rsi, 47                      // the lower half of the address space
    jc refuse
    cmp rdi, rsi
    jae refuse
    cmp rsi, offset image_start
    jbe 1f
    cmp rdi, offset image_end
    jb refuse
1:  call map_pages
    mov rcx, cr3
    mov cr3, rcx
    ret

refuse:
    mov rax, -1
    ret

// Grants ring 3 the rsi ports from rdi on. Cores started later have them too, by the bitmap of the first.
call_grant_ports:
    mov rax, rsi
    add rax, rdi
    jc refuse
    cmp rax, PORTS
    ja refuse
    lea rcx, [core_0 + CORE_PORTS]
    mov rdx, rsp
    and rdx, CORE_MASK              // this core's block
    add rdx, CORE_PORTS
1:  cmp rdi, rax
    jae 2f
    lock btr [rcx], rdi             // another core may be at it
    lock btr [rdx], rdi
    inc rdi
    jmp 1b
2:  xor eax, eax
    ret

// Makes rdi (8 KiB, aligned, mapped MAP_MONITOR) the block of the core that starts next, in ring 3 with stack rsi and
// number rdx.
call_prepare_core:
    mov [next_core], rdi
    mov [rdi + CORE_USER_STACK], rsi
    mov [rdi + CORE_INDEX], rdx
    call core_init_block
    lea rsi, [core_0 + CORE_PORTS]
    add rdi, CORE_PORTS
    mov ecx, PORT_BYTES / 8
    rep movsq
    xor eax, eax
    ret

// Sends to the core with APIC id rdi, rsi: 0 INIT, 1 start-up, 2 wake.
call_send_ipi:
    cmp rsi, 2
    ja refuse
    lea rax, [ipis]
    mov eax, [rax + rsi * 4]
    call apic_send
    xor eax, eax
    ret

// What this core's APIC is: bit 0, the timer takes TSC values; bit 1, x2APIC; bits 32-63, its id.
call_apic:
    mov ecx, 2                      // id register
    call apic_read
    cmp byte ptr [has_x2apic], 0
    jne 1f
    shr eax, 24
1:  shl rax, 32
    movzx ecx, byte ptr [has_x2apic]
    movzx edx, byte ptr [has_tsc_deadline]
    lea ecx, [rdx + rcx * 2]
    or rax, rcx
    ret

// Starts the timer at count edi if that is not 0; answers the current count. For calibration.
call_timer_count:
    test edi, edi
    jz 1f
    mov ecx, APIC_TIMER_INITIAL
    mov eax, edi
    call apic_write
1:  mov ecx, APIC_TIMER_CURRENT
    call apic_read
    mov eax, eax
    ret

// Tells KVM where to write this core's clock page (rdi, with bit 0 set) and the wall clock (rsi).
call_kvmclock:
    mov ecx, 0x4b564d01             // MSR_KVM_SYSTEM_TIME_NEW
    mov eax, edi
    mov rdx, rdi
    shr rdx, 32
    wrmsr
    mov ecx, 0x4b564d00             // MSR_KVM_WALL_CLOCK_NEW
    mov eax, esi
    mov rdx, rsi
    shr rdx, 32
    wrmsr
    xor eax, eax
    ret

.section .monitor.data, "aw"
    .align 8
calls:
    .quad call_halt, call_map, call_grant_ports, call_prepare_core, call_send_ipi
    .quad call_apic, call_timer_count, call_kvmclock, call_reset
    .org calls + CALLS * 8          // fails where the table is longer
ipis:
    .long 0x4500                    // INIT, assert
    .long 0x4600 | (TRAMPOLINE >> 12)
    .long 0x4000 | VECTOR_WAKE      // fixed, assert
