// What each core has of its own: one block of 8 KiB, aligned to its size and mapped for ring 0 only. The ring-0 stack
// lies in the block, so `rsp & CORE_MASK` finds it.
//
//   0x0000  stack for NMI, double fault and machine check (IST 1), growing down from 0x0800
//   0x0800  ring-0 stack, growing down from 0x1000
//   0x1000  GDT
//   0x1040  fields
//   0x1100  TSS, followed by the I/O permission bitmap of the ports below PORTS and the byte that ends it

.equ CORE_BYTES,      0x2000
.equ CORE_MASK,       -CORE_BYTES
.equ CORE_IST_TOP,    0x0800
.equ CORE_STACK_TOP,  0x1000
.equ CORE_GDT,        0x1000
.equ CORE_USER_STACK, 0x1040        // where ring 3 starts
.equ CORE_INDEX,      0x1048
.equ CORE_TSS,        0x1100
.equ TSS_BYTES,       104
.equ CORE_PORTS,      CORE_TSS + TSS_BYTES
.equ PORTS,           0x2000
.equ PORT_BYTES,      PORTS / 8

.section .monitor.text, "ax"
.code64

// Fills in the GDT and TSS of the block at rdi, all but the I/O bitmap. Clobbers rax, rcx, rdx.
core_init_block:
    mov qword ptr [rdi + CORE_GDT], 0
    mov rax, 0x00af9b000000ffff
    mov [rdi + CORE_GDT + SELECTOR_CODE], rax
    mov rax, 0x00cf93000000ffff
    mov [rdi + CORE_GDT + SELECTOR_DATA], rax
    mov rax, 0x00cff3000000ffff
    mov [rdi + CORE_GDT + SELECTOR_USER_DATA - 3], rax
    mov rax, 0x00affb000000ffff
    mov [rdi + CORE_GDT + SELECTOR_USER_CODE - 3], rax
    // TSS descriptor: base in four pieces, 64-bit available TSS
    lea rdx, [rdi + CORE_TSS]
    mov word ptr [rdi + CORE_GDT + SELECTOR_TSS], TSS_BYTES + PORT_BYTES
    mov [rdi + CORE_GDT + SELECTOR_TSS + 2], dx
    mov rax, rdx
    shr rax, 16
    mov [rdi + CORE_GDT + SELECTOR_TSS + 4], al
    mov word ptr [rdi + CORE_GDT + SELECTOR_TSS + 5], 0x0089
    mov [rdi + CORE_GDT + SELECTOR_TSS + 7], ah
    shr rax, 16
    mov [rdi + CORE_GDT + SELECTOR_TSS + 8], rax
    // TSS: stacks and the place of the bitmap
    push rdi
    mov rdi, rdx
    mov ecx, TSS_BYTES / 8
    xor eax, eax
    rep stosq
    pop rdi
    lea rax, [rdi + CORE_STACK_TOP]
    mov [rdx + 4], rax              // RSP0
    lea rax, [rdi + CORE_IST_TOP]
    mov [rdx + 36], rax             // IST1
    mov word ptr [rdx + 102], TSS_BYTES
    mov byte ptr [rdx + TSS_BYTES + PORT_BYTES], 0xff
    ret

.section .monitor.bss, "aw", @nobits
    .align CORE_BYTES
core_0:
    .skip CORE_BYTES
