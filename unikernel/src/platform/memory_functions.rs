//! The memory functions that compilers call by name; a hosted target has them in its C library.
//!
//! Small sizes, which rule in packet processing, take a few overlapping moves; large ones the CPU's string
//! instructions, which run at full bandwidth, eight bytes at a time: a translator does one after the other. Everything is loaded before anything that may overlap it is stored, so
//! `memcpy` serves for a `memmove` to a lower address too.

#![allow(unsafe_code)] // they are raw memory access

core::arch::global_asm!(
    r#"
.section .text.memory_functions, "ax"

// memmove(rdi = to, rsi = from, rdx = bytes) -> to
.global memmove
memmove:
    mov rax, rdi
    sub rax, rsi
    cmp rax, rdx
    jb 9f                               // `to` lies inside the source: backwards

// memcpy(rdi = to, rsi = from, rdx = bytes) -> to
.global memcpy
memcpy:
    mov rax, rdi
    cmp rdx, 16
    jb 3f
    cmp rdx, 256
    ja 8f
    movups xmm0, [rsi + rdx - 16]
    lea r8, [rdi + rdx - 16]
1:  cmp rdi, r8
    jae 2f
    movups xmm1, [rsi]
    movups [rdi], xmm1
    add rsi, 16
    add rdi, 16
    jmp 1b
2:  movups [r8], xmm0
    ret
3:  cmp edx, 8
    jb 4f
    mov rcx, [rsi]
    mov r8, [rsi + rdx - 8]
    mov [rdi], rcx
    mov [rdi + rdx - 8], r8
    ret
4:  cmp edx, 4
    jb 5f
    mov ecx, [rsi]
    mov r8d, [rsi + rdx - 4]
    mov [rdi], ecx
    mov [rdi + rdx - 4], r8d
    ret
5:  test edx, edx
    jz 6f
    mov r9d, edx
    shr r9d                             // 1, 2, 3 bytes: first, middle and last cover them
    movzx ecx, byte ptr [rsi]
    movzx r8d, byte ptr [rsi + rdx - 1]
    movzx r10d, byte ptr [rsi + r9]
    mov [rdi], cl
    mov [rdi + r9], r10b
    mov [rdi + rdx - 1], r8b
6:  ret
8:  mov r8, [rsi + rdx - 8]
    lea r9, [rdi + rdx - 8]
    mov rcx, rdx
    shr rcx, 3
    rep movsq
    mov [r9], r8
    ret
9:  mov rax, rdi
    mov rcx, rdx
    lea rdi, [rdi + rdx - 1]
    lea rsi, [rsi + rdx - 1]
    std
    rep movsb
    cld
    ret

// memset(rdi = to, esi = byte, rdx = bytes) -> to
.global memset
memset:
    mov r9, rdi
    movzx eax, sil
    mov rcx, 0x0101010101010101
    imul rax, rcx
    cmp rdx, 256
    ja 5f
    cmp rdx, 16
    jb 2f
    movq xmm0, rax
    punpcklqdq xmm0, xmm0
    lea r8, [rdi + rdx - 16]
1:  movups [rdi], xmm0
    add rdi, 16
    cmp rdi, r8
    jb 1b
    movups [r8], xmm0
    mov rax, r9
    ret
2:  cmp edx, 8
    jb 3f
    mov [rdi], rax
    mov [rdi + rdx - 8], rax
    mov rax, r9
    ret
3:  test edx, edx
    jz 4f
    mov [rdi + rdx - 1], al
    dec edx
    jmp 3b
4:  mov rax, r9
    ret
5:  lea r8, [rdi + rdx - 8]
    mov rcx, rdx
    shr rcx, 3
    rep stosq
    mov [r8], rax
    mov rax, r9
    ret

// memcmp(rdi, rsi, rdx = bytes) -> the sign of the first difference; bcmp wants less
.global memcmp
.global bcmp
memcmp:
bcmp:
    cmp rdx, 8
    jb 2f
1:  mov rax, [rdi]
    mov rcx, [rsi]
    cmp rax, rcx
    jne 4f
    add rdi, 8
    add rsi, 8
    sub rdx, 8
    cmp rdx, 8
    jae 1b
2:  xor eax, eax
3:  test rdx, rdx
    jz 5f
    movzx eax, byte ptr [rdi]
    movzx ecx, byte ptr [rsi]
    inc rdi
    inc rsi
    dec rdx
    sub eax, ecx
    jz 3b
    ret
4:  bswap rax                           // the first byte counts most
    bswap rcx
    cmp rax, rcx
    sbb eax, eax
    or eax, 1
5:  ret
"#
);
