# A program with debugging information by hand: each local of main is described by another
# expression. The test puts them in; the entries that they refer to are here.
        .text
        .globl  main
        .type   main, @function
main:
        .cfi_startproc
        pushq   %rbp
        .cfi_def_cfa_offset 16
        .cfi_offset 6, -16
        movq    %rsp, %rbp
        .cfi_def_cfa_register 6
        subq    $64, %rsp
        movabsq $0x1122334455667788, %rax
        movq    %rax, -8(%rbp)
        movabsq $0x99aabbccddeeff00, %rax
        movq    %rax, -16(%rbp)
        leaq    -8(%rbp), %rax
        movq    %rax, -24(%rbp)
        movabsq $0x400921fb54442d18, %rax
        movq    %rax, %xmm3
        movq    $-5, %rbx
        movq    $77, %r12
        movabsq $0xfedcba9876543210, %r13
        .globl  stop_here
stop_here:
        nop
        leave
        ret
        .cfi_endproc
main_end:
        .data
        .globl  number
number: .8byte  0x0123456789abcdef
        .section .tdata, "awT", @progbits
        .globl  local_to_thread
local_to_thread:
        .8byte  0x5151515151515151
        .section .debug_addr, "", @progbits
        .4byte  addresses_end - addresses_start
addresses_start:
        .2byte  5
        .byte   8, 0
addresses:
        .8byte  number
        .8byte  0x1234
addresses_end:
        .section .debug_abbrev, "", @progbits
abbreviations:
        # 1: DW_TAG_compile_unit: name, language, low_pc, high_pc, addr_base
        .uleb128 1, 0x11
        .byte   1
        .uleb128 0x03, 0x08, 0x13, 0x0b, 0x11, 0x01, 0x12, 0x07, 0x73, 0x17, 0, 0
        # 2: DW_TAG_base_type: name, encoding, byte_size
        .uleb128 2, 0x24
        .byte   0
        .uleb128 0x03, 0x08, 0x3e, 0x0b, 0x0b, 0x0b, 0, 0
        # 3: DW_TAG_subprogram: name, external, low_pc, high_pc, frame_base
        .uleb128 3, 0x2e
        .byte   1
        .uleb128 0x03, 0x08, 0x3f, 0x19, 0x11, 0x01, 0x12, 0x07, 0x40, 0x18, 0, 0
        # 4: DW_TAG_variable: name, type, location
        .uleb128 4, 0x34
        .byte   0
        .uleb128 0x03, 0x08, 0x49, 0x13, 0x02, 0x18, 0, 0
        # 5: DW_TAG_dwarf_procedure: location
        .uleb128 5, 0x36
        .byte   0
        .uleb128 0x02, 0x18, 0, 0
        # 6: DW_TAG_pointer_type: type
        .uleb128 6, 0x0f
        .byte   0
        .uleb128 0x49, 0x13, 0, 0
        .byte   0
        .section .debug_info, "", @progbits
info:
        .4byte  info_end - info_start
info_start:
        .2byte  5
        .byte   1, 8
        .4byte  abbreviations
        .uleb128 1
        .asciz  "operators"
        .byte   0x0c
        .8byte  main
        .8byte  main_end - main
        .4byte  addresses - addresses_start + 4
t_ulong:
        .uleb128 2
        .asciz  "unsigned long"
        .byte   7, 8
t_long: .uleb128 2
        .asciz  "long"
        .byte   5, 8
t_int:  .uleb128 2
        .asciz  "int"
        .byte   5, 4
t_uint: .uleb128 2
        .asciz  "unsigned int"
        .byte   7, 4
t_short:
        .uleb128 2
        .asciz  "short"
        .byte   5, 2
t_uchar:
        .uleb128 2
        .asciz  "unsigned char"
        .byte   8, 1
t_float:
        .uleb128 2
        .asciz  "float"
        .byte   4, 4
t_double:
        .uleb128 2
        .asciz  "double"
        .byte   4, 8
t_pointer:
        .uleb128 6
        .4byte  t_ulong - info
procedure:
        .uleb128 5
        .uleb128 2f - 1f
1:      .byte   0x23, 7                # plus_uconst 7
2:      .uleb128 3
        .asciz  "main"
        .8byte  main
        .8byte  main_end - main
        .uleb128 1
        .byte   0x9c                   # call_frame_cfa
pointed:
        .uleb128 4
        .asciz  "pointed"
        .4byte  t_ulong - info
        .uleb128 2f - 1f
1:      .byte   0x0a, 0x34, 0x12, 0x9f # const2u 0x1234, stack_value
2:
@LOCALS@
        .byte   0                      # the end of main
        .byte   0                      # the end of the unit
info_end:
        .section .note.GNU-stack, "", @progbits
