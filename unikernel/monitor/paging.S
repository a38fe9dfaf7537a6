// The page tables: 4-level, virtual = physical, built here and nowhere else, out of a fixed pool.

.equ PRESENT,          0x01
.equ WRITE,            0x02
.equ USER,             0x04
.equ UNCACHED,         0x18         // PCD PWT
.equ TOUCHED,          0x60         // accessed, dirty: set at once, so that the CPU never has to
.equ LARGE,            0x80
.equ TABLE_BITS,       0x07         // an upper level permits all; the leaf decides
.equ ADDRESS_BYTES_4K, 0x1000
.equ ADDRESS_BYTES_2M, 0x200000
.equ ADDRESS_BYTES_1G, 0x40000000
.equ POOL_TABLES,      48

// Kinds of mapping. The first five may be asked for by ring 3 (monitor.rs: MapKind).
.equ MAP_NONE,         0            // unmapped
.equ MAP_READ,         1            // ring 3 reads
.equ MAP_RAM,          2            // ring 3 reads and writes
.equ MAP_DEVICE,       3            // the same, uncached
.equ MAP_MONITOR,      4            // ring 0 reads and writes
.equ MAP_TEXT,         5            // ring 3 reads and executes
.equ MAP_MONITOR_TEXT, 6            // ring 0 reads and executes
.equ MAP_MONITOR_DEVICE, 7          // ring 0 reads and writes, uncached

.section .monitor.text, "ax"
.code64

// Maps the pages rdi..rsi (multiples of 4 KiB) as kind rdx, with the largest pages that fit. Answers 0 in rax, or -1
// when the pool is empty. Clobbers rcx, rdx, rdi, r8-r11.
//
// rdi = next address, r9 = bits of the leaf, r8 = the entry at hand, r10 = size it covers
map_pages:
    lea r9, [kind_bits]
    mov r9, [r9 + rdx * 8]
1:  cmp rdi, rsi
    jae 9f
    lea r8, [pml4]
    mov ecx, 39
    call entry_below                // r8 = entry of the PML4
    call table_of                   // r8 = the PDPT
    jc 8f
    mov ecx, 30
    call entry_below
    mov r10d, ADDRESS_BYTES_1G
    cmp dword ptr [has_gib_pages], 0
    je 2f
    call whole_page
    jc 6f
2:  call table_of
    jc 8f
    mov ecx, 21
    call entry_below
    mov r10d, ADDRESS_BYTES_2M
    call whole_page
    jc 6f
    call table_of
    jc 8f
    mov ecx, 12
    call entry_below
    // 4 KiB pages: on through this table while it lasts
3:  mov rax, r9
    test rax, rax
    jz 4f
    or rax, rdi
4:  mov [r8], rax
    add rdi, ADDRESS_BYTES_4K
    add r8, 8
    cmp rdi, rsi
    jae 9f
    test rdi, ADDRESS_BYTES_2M - 1
    jnz 3b
    jmp 1b
    // one large page
6:  mov rax, r9
    test rax, rax
    jz 7f
    or rax, rdi
    or rax, LARGE
7:  mov [r8], rax
    add rdi, r10
    jmp 1b
8:  mov rax, -1
    ret
9:  xor eax, eax
    ret

// r8 = the entry for rdi in the table at r8, whose entries are indexed by the nine bits from bit ecx on.
entry_below:
    mov rax, rdi
    shr rax, cl
    and eax, 511
    lea r8, [r8 + rax * 8]
    ret

// Carry set if a page of r10 bytes may stand at rdi: aligned, wholly inside, and not divided into smaller ones already.
whole_page:
    lea rax, [r10 - 1]
    test rdi, rax
    jnz 1f
    mov rax, rsi
    sub rax, rdi
    cmp rax, r10
    jb 1f
    mov rax, [r8]
    test al, PRESENT
    jz 2f
    test al, LARGE
    jz 1f
2:  stc
    ret
1:  clc
    ret

// r8 = the table that the entry at r8 points to. One is taken from the pool if there is none, and filled with the parts
// of the large page if there was one (of r10 bytes). Carry set when the pool is empty.
table_of:
    mov rdx, [r8]
    test dl, PRESENT
    jz 1f
    test dl, LARGE
    jnz 1f
    and rdx, -ADDRESS_BYTES_4K
    mov r8, rdx
    ret                             // carry clear: `and` clears it
1:  mov rax, [next_table]
    lea rcx, [pool_end]
    cmp rax, rcx
    jae 3f
    add qword ptr [next_table], ADDRESS_BYTES_4K
    mov rcx, rax
    or rcx, TABLE_BITS
    mov [r8], rcx
    mov r8, rax
    test dl, PRESENT
    jz 4f
    // divide: 512 pages of a 512th of the size
    mov r11, r10
    shr r11, 9
    cmp r11, ADDRESS_BYTES_4K
    jne 2f
    and rdx, ~LARGE
2:  mov [rax], rdx
    add rax, 8
    add rdx, r11
    test eax, ADDRESS_BYTES_4K - 1
    jnz 2b
4:  clc
    ret
3:  stc
    ret

.section .monitor.data, "aw"
    .align 8
.equ NO_EXECUTE, 1 << 63
kind_bits:
    .quad 0
    .quad PRESENT | USER | TOUCHED | NO_EXECUTE
    .quad PRESENT | WRITE | USER | TOUCHED | NO_EXECUTE
    .quad PRESENT | WRITE | USER | UNCACHED | TOUCHED | NO_EXECUTE
    .quad PRESENT | WRITE | TOUCHED | NO_EXECUTE
    .quad PRESENT | USER | TOUCHED
    .quad PRESENT | TOUCHED
    .quad PRESENT | WRITE | UNCACHED | TOUCHED | NO_EXECUTE
next_table:    .quad pool
has_gib_pages: .quad 0

.section .monitor.bss, "aw", @nobits
    .align 4096
pml4:
    .skip 4096
pool:
    .skip POOL_TABLES * 4096
pool_end:
