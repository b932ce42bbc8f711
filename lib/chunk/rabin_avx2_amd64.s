// Rabin fingerprints of 32 lanes at once, with AVX2. Written by hand. Its twin is firstHit, in rabin_lanes_test.go.
//
// A fingerprint is kept in slices: register k holds byte k of all of them. A step is linear over GF(2), so it can
// be looked up in two halves: a byte's lower and upper four bits each choose one of 16 bytes, of which the processor
// holds a table in a register.

//go:build !purego && !noasm

#include "go_asm.h"
#include "textflag.h"

DATA seven<>+0(SB)/8, $0x0707070707070707
DATA seven<>+8(SB)/8, $0x0707070707070707
DATA seven<>+16(SB)/8, $0x0707070707070707
DATA seven<>+24(SB)/8, $0x0707070707070707
GLOBL seven<>(SB), RODATA|NOPTR, $32

DATA eight<>+0(SB)/8, $0x0808080808080808
DATA eight<>+8(SB)/8, $0x0808080808080808
DATA eight<>+16(SB)/8, $0x0808080808080808
DATA eight<>+24(SB)/8, $0x0808080808080808
GLOBL eight<>(SB), RODATA|NOPTR, $32

DATA fifteen<>+0(SB)/8, $0x0f0f0f0f0f0f0f0f
DATA fifteen<>+8(SB)/8, $0x0f0f0f0f0f0f0f0f
DATA fifteen<>+16(SB)/8, $0x0f0f0f0f0f0f0f0f
DATA fifteen<>+24(SB)/8, $0x0f0f0f0f0f0f0f0f
GLOBL fifteen<>(SB), RODATA|NOPTR, $32

// The frame: values that do not fit into registers; half of the rows, transposed; and the ring, five groups of 16 steps,
// aligned to a cache line: the group that enters the windows, and the four that are in them, of which the first leaves.
#define RING   0
#define END    8
#define LEFT   16
#define ROWS   32
#define SLOT   512

// ROW reads 16 bytes of the lanes n and n+16; n is 0 or 8 where R12 points to at first.
#define ROW(y) \
	VBROADCASTI128 (R12), y;        \
	VINSERTI128    $1, (R13), y, y; \
	ADDQ           R8, R12;         \
	ADDQ           R8, R13

// UNPACK interleaves the bytes of a and b, those of the lower halves into t, of the upper ones into b. Then a is free.
#define UNPACK(a, b, t) \
	VPUNPCKLBW b, a, t; \
	VPUNPCKHBW b, a, b

// EIGHT reads the next 16 bytes of eight rows and transposes them: two columns a register, in Y12 … Y7, Y15 and Y14.
#define EIGHT \
	ROW(Y7);                 \
	ROW(Y8);                 \
	ROW(Y9);                 \
	ROW(Y10);                \
	ROW(Y11);                \
	ROW(Y12);                \
	ROW(Y13);                \
	ROW(Y14);                \
	UNPACK(Y7, Y11, Y15);    \
	UNPACK(Y8, Y12, Y7);     \
	UNPACK(Y9, Y13, Y8);     \
	UNPACK(Y10, Y14, Y9);    \
	UNPACK(Y15, Y8, Y10);    \
	UNPACK(Y11, Y13, Y15);   \
	UNPACK(Y7, Y9, Y11);     \
	UNPACK(Y12, Y14, Y7);    \
	UNPACK(Y10, Y11, Y12);   \
	UNPACK(Y8, Y9, Y10);     \
	UNPACK(Y15, Y7, Y8);     \
	UNPACK(Y13, Y14, Y15)

// PAIR joins two columns' eight rows in y and the eight rows below them.
#define PAIR(k, y) \
	VPUNPCKLQDQ (ROWS+32*k)(SP), y, Y13; \
	VPUNPCKHQDQ (ROWS+32*k)(SP), y, y;   \
	VMOVDQA     Y13, (64*k)(DX);         \
	VMOVDQA     y, (64*k+32)(DX)

// COLUMNS reads the next 16 bytes of all lanes and writes them to the ring, column by column.
#define COLUMNS \
	LEAQ    (R10)(R8*8), R12;   \
	LEAQ    (R11)(R8*8), R13;   \
	EIGHT;                      \
	VMOVDQU Y12, (ROWS+0)(SP);  \
	VMOVDQU Y11, (ROWS+32)(SP); \
	VMOVDQU Y10, (ROWS+64)(SP); \
	VMOVDQU Y9, (ROWS+96)(SP);  \
	VMOVDQU Y8, (ROWS+128)(SP); \
	VMOVDQU Y7, (ROWS+160)(SP); \
	VMOVDQU Y15, (ROWS+192)(SP); \
	VMOVDQU Y14, (ROWS+224)(SP); \
	MOVQ    R10, R12;           \
	MOVQ    R11, R13;           \
	EIGHT;                      \
	PAIR(0, Y12);               \
	PAIR(1, Y11);               \
	PAIR(2, Y10);               \
	PAIR(3, Y9);                \
	PAIR(4, Y8);                \
	PAIR(5, Y7);                \
	PAIR(6, Y15);               \
	PAIR(7, Y14);               \
	ADDQ    $16, R10;           \
	ADDQ    $16, R11

// TOP takes from the fingerprints what a step pushes above their degree: their 8 highest bits, the lower four of them
// into Y7 and the upper four into Y8.
#define TOP \
	VPSRLW $5, Y5, Y7;               \
	VPSLLW $3, Y6, Y8;               \
	VPAND  seven<>(SB), Y7, Y7;      \
	VPAND  eight<>(SB), Y8, Y8;      \
	VPOR   Y8, Y7, Y7;               \
	VPSRLW $1, Y6, Y8;               \
	VPAND  Y15, Y8, Y8

// PUSH sets Y11 to the contribution of the highest bits to byte k.
#define PUSH(k) \
	VBROADCASTI128 (sliced_nibbles+64*k)(DI), Y11;    \
	VBROADCASTI128 (sliced_nibbles+64*k+16)(DI), Y12; \
	VPSHUFB        Y7, Y11, Y11;                      \
	VPSHUFB        Y8, Y12, Y12;                      \
	VPXOR          Y12, Y11, Y11

// OUT sets Y13 to the contribution to byte k of the byte that leaves the window; its lower half is in Y9, the upper one
// in Y10.
#define OUT(k) \
	VBROADCASTI128 (sliced_nibbles+64*k+32)(DI), Y13; \
	VBROADCASTI128 (sliced_nibbles+64*k+48)(DI), Y14; \
	VPSHUFB        Y9, Y13, Y13;                      \
	VPSHUFB        Y10, Y14, Y14;                     \
	VPXOR          Y14, Y13, Y13

// FILL moves a byte of the fingerprints up to be byte k, of a window that fills up.
#define FILL(k, from, to) \
	PUSH(k);              \
	VPXOR from, Y11, to

// ROLL moves a byte of the fingerprints up to be byte k, of a window that rolls on.
#define ROLL(k, from, to) \
	OUT(k);              \
	VPXOR from, Y13, to; \
	PUSH(k);             \
	VPXOR Y11, to, to

// func findAVX2(t *sliced, data *byte, steps int) int
TEXT ·findAVX2(SB), 0, $2944-32
	MOVQ t+0(FP), DI
	MOVQ data+8(FP), R10
	MOVQ steps+16(FP), R8

	MOVQ R8, AX
	SHRQ $4, AX
	MOVQ AX, LEFT(SP)
	MOVQ R8, AX
	SHLQ $4, AX
	LEAQ (R10)(AX*1), R11
	LEAQ (ROWS+256+31)(SP), DX
	ANDQ $~31, DX
	MOVQ DX, RING(SP)
	LEAQ (5*SLOT)(DX), AX
	MOVQ AX, END(SP)

	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	VPXOR Y4, Y4, Y4
	VPXOR Y5, Y5, Y5
	VPXOR Y6, Y6, Y6
	XORL  BX, BX
	MOVL  $-1, CX

	// The first windows.
	LEAQ (4*SLOT)(DX), SI

fill:
	COLUMNS
	VMOVDQU fifteen<>(SB), Y15
	XORL    AX, AX

filling:
	TOP
	FILL(6, Y5, Y6)
	FILL(5, Y4, Y5)
	FILL(4, Y3, Y4)
	FILL(3, Y2, Y3)
	FILL(2, Y1, Y2)
	FILL(1, Y0, Y1)
	FILL(0, (DX)(AX*1), Y0)
	ADDQ $32, AX
	CMPQ AX, $SLOT
	JNE  filling
	ADDQ $SLOT, DX
	CMPQ DX, SI
	JNE  fill

	// DX points to the group that comes in, SI to the one that leaves. BX is the first hit, and CX has the lanes before
	// that hit's. R9 counts the steps before the group.
	MOVQ RING(SP), SI
	XORL R9, R9

group:
	COLUMNS
	VMOVDQU fifteen<>(SB), Y15
	XORL    AX, AX

step:
	VMOVDQA (SI)(AX*1), Y9
	VPSRLW  $4, Y9, Y10
	VPAND   Y15, Y9, Y9
	VPAND   Y15, Y10, Y10
	TOP
	ROLL(6, Y5, Y6)
	ROLL(5, Y4, Y5)
	ROLL(4, Y3, Y4)
	ROLL(3, Y2, Y3)
	ROLL(2, Y1, Y2)
	ROLL(1, Y0, Y1)
	ROLL(0, (DX)(AX*1), Y0)

	VPAND     (sliced_mask+0)(DI), Y0, Y11
	VPAND     (sliced_mask+32)(DI), Y1, Y12
	VPAND     (sliced_mask+64)(DI), Y2, Y13
	VPXOR     Y14, Y14, Y14
	VPOR      Y12, Y11, Y11
	VPOR      Y13, Y11, Y11
	VPCMPEQB  Y14, Y11, Y11
	VPMOVMSKB Y11, R12
	TESTL     CX, R12
	JNZ       hit

next:
	ADDQ $32, AX
	CMPQ AX, $SLOT
	JNE  step

	ADDQ $16, R9
	MOVQ SI, DX
	ADDQ $SLOT, SI
	CMPQ SI, END(SP)
	JNE  within
	MOVQ RING(SP), SI

within:
	DECQ LEFT(SP)
	JNZ  group

done:
	VZEROUPPER
	MOVQ BX, ret+24(FP)
	RET

	// The hit in the lowest lane comes first, and within a lane that of the first step.
hit:
	ANDL  CX, R12
	BSFL  R12, BX
	IMULQ R8, BX
	LEAL  -1(R12), CX
	NOTL  R12
	ANDL  R12, CX
	MOVQ  AX, R13
	SHRQ  $5, R13
	ADDQ  R9, BX
	LEAQ  1(BX)(R13*1), BX
	TESTL CX, CX
	JNZ   next
	JMP   done
