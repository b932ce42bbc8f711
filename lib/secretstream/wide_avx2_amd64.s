// ChaCha20 by AVX2, for 8 blocks at once, each in a 32-bit column of the registers, and for 4. Written by hand. Its twin is
// chacha20.Cipher.XORKeyStream of golang.org/x/crypto.

//go:build !purego && !noasm

#include "textflag.h"

DATA columns<>+0(SB)/4, $0
DATA columns<>+4(SB)/4, $1
DATA columns<>+8(SB)/4, $2
DATA columns<>+12(SB)/4, $3
DATA columns<>+16(SB)/4, $4
DATA columns<>+20(SB)/4, $5
DATA columns<>+24(SB)/4, $6
DATA columns<>+28(SB)/4, $7
GLOBL columns<>(SB), RODATA|NOPTR, $32

// The bytes of words that are rotated left by 16 and by 8 bits.
DATA left16<>+0(SB)/8, $0x0504070601000302
DATA left16<>+8(SB)/8, $0x0d0c0f0e09080b0a
DATA left16<>+16(SB)/8, $0x0504070601000302
DATA left16<>+24(SB)/8, $0x0d0c0f0e09080b0a
GLOBL left16<>(SB), RODATA|NOPTR, $32

DATA left8<>+0(SB)/8, $0x0605040702010003
DATA left8<>+8(SB)/8, $0x0e0d0c0f0a09080b
DATA left8<>+16(SB)/8, $0x0605040702010003
DATA left8<>+24(SB)/8, $0x0e0d0c0f0a09080b
GLOBL left8<>(SB), RODATA|NOPTR, $32

// QUARTERS does a quarter round of RFC 8439, 2.1, on two columns or on two diagonals. Words 8 and 9, or 10 and 11, are in
// Y8 and Y9.
#define QUARTERS(a0, b0, d0, a1, b1, d1) \
	VPADDD  b0, a0, a0;           \
	VPADDD  b1, a1, a1;           \
	VPXOR   a0, d0, d0;           \
	VPXOR   a1, d1, d1;           \
	VPSHUFB left16<>(SB), d0, d0; \
	VPSHUFB left16<>(SB), d1, d1; \
	VPADDD  d0, Y8, Y8;           \
	VPADDD  d1, Y9, Y9;           \
	VPXOR   Y8, b0, b0;           \
	VPXOR   Y9, b1, b1;           \
	VPSLLD  $12, b0, Y10;         \
	VPSLLD  $12, b1, Y11;         \
	VPSRLD  $20, b0, b0;          \
	VPSRLD  $20, b1, b1;          \
	VPXOR   Y10, b0, b0;          \
	VPXOR   Y11, b1, b1;          \
	VPADDD  b0, a0, a0;           \
	VPADDD  b1, a1, a1;           \
	VPXOR   a0, d0, d0;           \
	VPXOR   a1, d1, d1;           \
	VPSHUFB left8<>(SB), d0, d0;  \
	VPSHUFB left8<>(SB), d1, d1;  \
	VPADDD  d0, Y8, Y8;           \
	VPADDD  d1, Y9, Y9;           \
	VPXOR   Y8, b0, b0;           \
	VPXOR   Y9, b1, b1;           \
	VPSLLD  $7, b0, Y10;          \
	VPSLLD  $7, b1, Y11;          \
	VPSRLD  $25, b0, b0;          \
	VPSRLD  $25, b1, b1;          \
	VPXOR   Y10, b0, b0;          \
	VPXOR   Y11, b1, b1

// SWAP puts two of the words 8 to 11 away and brings the others, to and from the stack's slots at BX.
#define SWAP(away, bring) \
	VMOVDQA Y8, (32*away)(BX);    \
	VMOVDQA Y9, (32*away+32)(BX); \
	VMOVDQA (32*bring)(BX), Y8;   \
	VMOVDQA (32*bring+32)(BX), Y9

// BEFORE adds a word of the state before the rounds.
#define BEFORE(word, y) \
	VPBROADCASTD (4*word)(DI), Y8; \
	VPADDD       Y8, y, y

// UNSPILL does so with one that is on the stack.
#define UNSPILL(word, y) \
	VPBROADCASTD (4*word)(DI), y; \
	VPADDD       (32*(word-8))(BX), y, y

// FOUR transposes four words of all blocks: o0 has then those of blocks 0 and 4, o1 of 1 and 5, and so on.
#define FOUR(w0, w1, w2, w3, o0, o1, o2, o3, t0, t1) \
	VPUNPCKLDQ  w1, w0, t0; \
	VPUNPCKHDQ  w1, w0, t1; \
	VPUNPCKLDQ  w3, w2, w0; \
	VPUNPCKHDQ  w3, w2, w1; \
	VPUNPCKLQDQ w0, t0, o0; \
	VPUNPCKHQDQ w0, t0, o1; \
	VPUNPCKLQDQ w1, t1, o2; \
	VPUNPCKHQDQ w1, t1, o3

// HALVES puts four words each of two blocks together, from a word on, and mixes them with the text.
#define HALVES(block, at, lo, hi) \
	VPERM2I128 $0x20, hi, lo, Y12;             \
	VPERM2I128 $0x31, hi, lo, Y13;             \
	VPXOR      (64*block+at)(SI), Y12, Y12;     \
	VPXOR      (64*block+256+at)(SI), Y13, Y13; \
	VMOVDQU    Y12, (64*block+at)(SI);          \
	VMOVDQU    Y13, (64*block+256+at)(SI)

// MIX transposes eight words, in Y0-Y7, from a word on, and mixes them with the text.
#define MIX(at) \
	FOUR(Y0, Y1, Y2, Y3, Y8, Y9, Y10, Y11, Y14, Y15); \
	FOUR(Y4, Y5, Y6, Y7, Y0, Y1, Y2, Y3, Y14, Y15);   \
	HALVES(0, at, Y8, Y0);                            \
	HALVES(1, at, Y9, Y1);                            \
	HALVES(2, at, Y10, Y2);                           \
	HALVES(3, at, Y11, Y3)

// func xorAVX2(state *[16]uint32, data *byte, groups int)
TEXT ·xorAVX2(SB), 0, $288-24
	MOVQ state+0(FP), DI
	MOVQ data+8(FP), SI
	MOVQ groups+16(FP), CX
	LEAQ 31(SP), BX
	ANDQ $~31, BX

group:
	VPBROADCASTD 40(DI), Y8
	VPBROADCASTD 44(DI), Y9
	VMOVDQA      Y8, 64(BX)
	VMOVDQA      Y9, 96(BX)
	VPBROADCASTD 0(DI), Y0
	VPBROADCASTD 4(DI), Y1
	VPBROADCASTD 8(DI), Y2
	VPBROADCASTD 12(DI), Y3
	VPBROADCASTD 16(DI), Y4
	VPBROADCASTD 20(DI), Y5
	VPBROADCASTD 24(DI), Y6
	VPBROADCASTD 28(DI), Y7
	VPBROADCASTD 32(DI), Y8
	VPBROADCASTD 36(DI), Y9
	VPBROADCASTD 48(DI), Y12
	VPBROADCASTD 52(DI), Y13
	VPBROADCASTD 56(DI), Y14
	VPBROADCASTD 60(DI), Y15
	VPADDD       columns<>(SB), Y12, Y12
	MOVL         $10, AX

rounds:
	QUARTERS(Y0, Y4, Y12, Y1, Y5, Y13)
	SWAP(0, 2)
	QUARTERS(Y2, Y6, Y14, Y3, Y7, Y15)
	QUARTERS(Y0, Y5, Y15, Y1, Y6, Y12)
	SWAP(2, 0)
	QUARTERS(Y2, Y7, Y13, Y3, Y4, Y14)
	DECL AX
	JNZ  rounds

	VMOVDQA Y8, 0(BX)
	VMOVDQA Y9, 32(BX)
	VMOVDQA Y12, 128(BX)
	VMOVDQA Y13, 160(BX)
	VMOVDQA Y14, 192(BX)
	VMOVDQA Y15, 224(BX)

	BEFORE(0, Y0)
	BEFORE(1, Y1)
	BEFORE(2, Y2)
	BEFORE(3, Y3)
	BEFORE(4, Y4)
	BEFORE(5, Y5)
	BEFORE(6, Y6)
	BEFORE(7, Y7)
	MIX(0)

	UNSPILL(8, Y0)
	UNSPILL(9, Y1)
	UNSPILL(10, Y2)
	UNSPILL(11, Y3)
	UNSPILL(12, Y4)
	UNSPILL(13, Y5)
	UNSPILL(14, Y6)
	UNSPILL(15, Y7)
	VPADDD columns<>(SB), Y4, Y4
	MIX(32)

	ADDL $8, 48(DI)
	ADDQ $512, SI
	DECQ CX
	JNZ  group

	VZEROUPPER
	RET

// What is added to the block's number: of the first two blocks, and for the other two.
DATA pairs<>+0(SB)/8, $0
DATA pairs<>+8(SB)/8, $0
DATA pairs<>+16(SB)/8, $1
DATA pairs<>+24(SB)/8, $0
DATA pairs<>+32(SB)/8, $2
DATA pairs<>+40(SB)/8, $0
DATA pairs<>+48(SB)/8, $2
DATA pairs<>+56(SB)/8, $0
GLOBL pairs<>(SB), RODATA|NOPTR, $64

// HALF does the half of a quarter round on all columns of four blocks: Y0-Y3 are the rows of the first two, Y4-Y7 of the
// others.
#define HALF(bytes, left, right) \
	VPADDD  Y1, Y0, Y0;    \
	VPADDD  Y5, Y4, Y4;    \
	VPXOR   Y0, Y3, Y3;    \
	VPXOR   Y4, Y7, Y7;    \
	VPSHUFB bytes, Y3, Y3; \
	VPSHUFB bytes, Y7, Y7; \
	VPADDD  Y3, Y2, Y2;    \
	VPADDD  Y7, Y6, Y6;    \
	VPXOR   Y2, Y1, Y1;    \
	VPXOR   Y6, Y5, Y5;    \
	VPSLLD  left, Y1, Y8;  \
	VPSLLD  left, Y5, Y9;  \
	VPSRLD  right, Y1, Y1; \
	VPSRLD  right, Y5, Y5; \
	VPXOR   Y8, Y1, Y1;    \
	VPXOR   Y9, Y5, Y5

// ROUND does a round, and turns rows so that the next one's columns are the diagonals, or back.
#define ROUND(b, c, d) \
	HALF(Y14, $12, $20);  \
	HALF(Y15, $7, $25);   \
	VPSHUFD b, Y1, Y1; \
	VPSHUFD b, Y5, Y5; \
	VPSHUFD c, Y2, Y2; \
	VPSHUFD c, Y6, Y6; \
	VPSHUFD d, Y3, Y3; \
	VPSHUFD d, Y7, Y7

// ROWS mixes two rows of two blocks with the text.
#define ROWS(at, a, b) \
	VPERM2I128 $0x20, b, a, Y8;        \
	VPERM2I128 $0x31, b, a, Y9;        \
	VPXOR      (at)(SI), Y8, Y8;       \
	VPXOR      (at+64)(SI), Y9, Y9;    \
	VMOVDQU    Y8, (at)(SI);           \
	VMOVDQU    Y9, (at+64)(SI)

// func xorFewAVX2(state *[16]uint32, data *byte)
//
// It does 4 blocks, two in each register, and takes less time than one that does 8.
TEXT ·xorFewAVX2(SB), NOSPLIT, $0-16
	MOVQ           state+0(FP), DI
	MOVQ           data+8(FP), SI
	VMOVDQU        left16<>(SB), Y14
	VMOVDQU        left8<>(SB), Y15
	VBROADCASTI128 0(DI), Y0
	VBROADCASTI128 16(DI), Y1
	VBROADCASTI128 32(DI), Y2
	VBROADCASTI128 48(DI), Y3
	VPADDD         pairs<>+0(SB), Y3, Y3
	VMOVDQA        Y0, Y4
	VMOVDQA        Y1, Y5
	VMOVDQA        Y2, Y6
	VPADDD         pairs<>+32(SB), Y3, Y7
	VMOVDQA        Y0, Y10
	VMOVDQA        Y1, Y11
	VMOVDQA        Y2, Y12
	VMOVDQA        Y3, Y13
	MOVL           $10, AX

rounds:
	ROUND($0x39, $0x4e, $0x93)
	ROUND($0x93, $0x4e, $0x39)
	DECL AX
	JNZ  rounds

	VPADDD Y10, Y0, Y0
	VPADDD Y11, Y1, Y1
	VPADDD Y12, Y2, Y2
	VPADDD Y13, Y3, Y3
	VPADDD Y10, Y4, Y4
	VPADDD Y11, Y5, Y5
	VPADDD Y12, Y6, Y6
	VPADDD Y13, Y7, Y7
	VPADDD pairs<>+32(SB), Y7, Y7
	ROWS(0, Y0, Y1)
	ROWS(32, Y2, Y3)
	ROWS(128, Y4, Y5)
	ROWS(160, Y6, Y7)

	ADDL $4, 48(DI)
	VZEROUPPER
	RET
