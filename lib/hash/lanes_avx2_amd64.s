// BLAKE2b for four messages at once, one in each 64-bit column of the AVX2 registers. Written by hand. Its twin is
// compressGeneric.

//go:build !purego && !noasm

#include "go_asm.h"
#include "rounds_amd64.h"
#include "textflag.h"

// The working vector, one register for each of its sixteen words:
//
//	v0  … v3   Y8  … Y11   a
//	v4  … v7   Y0  … Y3    b
//	v8  … v11  Y12 … Y15   c
//	v12 … v15  Y4  … Y7    d
//
// b and d are where the shorter encoding needs them: all twelve rounds are unrolled, and fit the cache of decoded
// instructions only if they are short. A rotation by 63 bits takes one register more than there is: v11 makes room, and
// stays in memory from its last use in a half round to its first in the next one.

// The message, transposed: word i of all four lanes at M(i). Two bases, so that every offset is of one byte.
#define M0  -128(AX)
#define M1  -96(AX)
#define M2  -64(AX)
#define M3  -32(AX)
#define M4  0(AX)
#define M5  32(AX)
#define M6  64(AX)
#define M7  96(AX)
#define M8  -128(BX)
#define M9  -96(BX)
#define M10 -64(BX)
#define M11 -32(BX)
#define M12 0(BX)
#define M13 32(BX)
#define M14 64(BX)
#define M15 96(BX)

#define TURN24 0(CX)
#define TURN16 32(CX)
#define V11    64(CX)

// TURN63 rotates a word right by 63 bits, that is left by one.
#define TURN63(b) \
	VPSRLQ $63, b, Y15; \
	VPADDQ b, b, b;     \
	VPOR   b, Y15, b

// HALF mixes the four columns, or the four diagonals; the last of them is the one with v11.
#define HALF(a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, d0, d1, d2, d3, x0, y0, x1, y1, x2, y2, x3, y3) \
	VPADDQ  x0, a0, a0;     \
	VPADDQ  x1, a1, a1;     \
	VPADDQ  x2, a2, a2;     \
	VPADDQ  x3, a3, a3;     \
	VPADDQ  b0, a0, a0;     \
	VPADDQ  b1, a1, a1;     \
	VPADDQ  b2, a2, a2;     \
	VPADDQ  b3, a3, a3;     \
	VPXOR   d0, a0, d0;     \
	VPXOR   d1, a1, d1;     \
	VPXOR   d2, a2, d2;     \
	VPXOR   d3, a3, d3;     \
	VPSHUFD $0xb1, d0, d0;  \
	VPSHUFD $0xb1, d1, d1;  \
	VPSHUFD $0xb1, d2, d2;  \
	VPSHUFD $0xb1, d3, d3;  \
	VPADDQ  d0, c0, c0;     \
	VPADDQ  d1, c1, c1;     \
	VPADDQ  d2, c2, c2;     \
	VPADDQ  V11, d3, Y15;   \
	VPXOR   b0, c0, b0;     \
	VPXOR   b1, c1, b1;     \
	VPXOR   b2, c2, b2;     \
	VPXOR   b3, Y15, b3;    \
	VPSHUFB TURN24, b0, b0; \
	VPSHUFB TURN24, b1, b1; \
	VPSHUFB TURN24, b2, b2; \
	VPSHUFB TURN24, b3, b3; \
	VPADDQ  y0, a0, a0;     \
	VPADDQ  y1, a1, a1;     \
	VPADDQ  y2, a2, a2;     \
	VPADDQ  y3, a3, a3;     \
	VPADDQ  b0, a0, a0;     \
	VPADDQ  b1, a1, a1;     \
	VPADDQ  b2, a2, a2;     \
	VPADDQ  b3, a3, a3;     \
	VPXOR   d0, a0, d0;     \
	VPXOR   d1, a1, d1;     \
	VPXOR   d2, a2, d2;     \
	VPXOR   d3, a3, d3;     \
	VPSHUFB TURN16, d0, d0; \
	VPSHUFB TURN16, d1, d1; \
	VPSHUFB TURN16, d2, d2; \
	VPSHUFB TURN16, d3, d3; \
	VPADDQ  d0, c0, c0;     \
	VPADDQ  d1, c1, c1;     \
	VPADDQ  d2, c2, c2;     \
	VPADDQ  d3, Y15, Y15;   \
	VPXOR   b0, c0, b0;     \
	VPXOR   b1, c1, b1;     \
	VPXOR   b2, c2, b2;     \
	VPXOR   b3, Y15, b3;    \
	VMOVDQA Y15, V11;       \
	TURN63(b0);             \
	TURN63(b1);             \
	TURN63(b2);             \
	TURN63(b3)

#define COLUMNS(x0, y0, x1, y1, x2, y2, x3, y3) \
	HALF(Y8, Y9, Y10, Y11, Y0, Y1, Y2, Y3, Y12, Y13, Y14, Y4, Y5, Y6, Y7, x0, y0, x1, y1, x2, y2, x3, y3)

#define DIAGONALS(x0, y0, x1, y1, x2, y2, x3, y3) \
	HALF(Y10, Y11, Y8, Y9, Y3, Y0, Y1, Y2, Y12, Y13, Y14, Y5, Y6, Y7, Y4, x2, y2, x3, y3, x0, y0, x1, y1)

// WORDS transposes two words of each lane, from an offset in its block.
#define WORDS(offset, lo, hi, s, t, u, v, su, sv) \
	VMOVDQU     offset(R8), s;               \
	VMOVDQU     offset(R9), t;               \
	VINSERTI128 $1, offset(R10), su, su;     \
	VINSERTI128 $1, offset(R11), sv, sv;     \
	VPUNPCKLQDQ sv, su, u;                   \
	VPUNPCKHQDQ sv, su, v;                   \
	VMOVDQA     u, lo;                       \
	VMOVDQA     v, hi

// FORWARD takes v and v' into h. It leaves h in v, where the next block expects it.
#define FORWARD(at, v, w) \
	VPXOR   v, w, v;                \
	VPXOR   vectors_h+at(DI), v, v; \
	VMOVDQU v, vectors_h+at(DI)

// func compressAVX2(v *vectors, blocks int)
TEXT ·compressAVX2(SB), 0, $640-16
	MOVQ v+0(FP), DI
	MOVQ blocks+8(FP), SI

	// Local variables, on a boundary of 32 bytes.
	LEAQ 31(SP), AX
	ANDQ $~31, AX
	ADDQ $128, AX
	LEAQ 256(AX), BX
	LEAQ 128(BX), CX

	VMOVDQU turns<>+0(SB), Y0
	VMOVDQA Y0, TURN24
	VMOVDQU turns<>+32(SB), Y0
	VMOVDQA Y0, TURN16

	MOVQ vectors_from+0(DI), R8
	MOVQ vectors_from+8(DI), R9
	MOVQ vectors_from+16(DI), R10
	MOVQ vectors_from+24(DI), R11
	LEAQ ·iv(SB), R12

	VMOVDQU vectors_h+0(DI), Y8
	VMOVDQU vectors_h+64(DI), Y9
	VMOVDQU vectors_h+128(DI), Y10
	VMOVDQU vectors_h+192(DI), Y11
	VMOVDQU vectors_h+256(DI), Y0
	VMOVDQU vectors_h+320(DI), Y1
	VMOVDQU vectors_h+384(DI), Y2
	VMOVDQU vectors_h+448(DI), Y3

block:
	WORDS(0, M0, M1, X4, X5, Y12, Y13, Y4, Y5)
	WORDS(16, M2, M3, X6, X7, Y14, Y15, Y6, Y7)
	WORDS(32, M4, M5, X4, X5, Y12, Y13, Y4, Y5)
	WORDS(48, M6, M7, X6, X7, Y14, Y15, Y6, Y7)
	WORDS(64, M8, M9, X4, X5, Y12, Y13, Y4, Y5)
	WORDS(80, M10, M11, X6, X7, Y14, Y15, Y6, Y7)
	WORDS(96, M12, M13, X4, X5, Y12, Y13, Y4, Y5)
	WORDS(112, M14, M15, X6, X7, Y14, Y15, Y6, Y7)
	ADDQ $128, R8
	ADDQ $128, R9
	ADDQ $128, R10
	ADDQ $128, R11

	LEAQ ·whole(SB), R13
	CMPQ SI, $1
	JNE  begin
	LEAQ vectors_ending(DI), R13

begin:
	VMOVDQU      vectors_count(DI), Y13
	VPADDQ       ending_step(R13), Y13, Y13
	VMOVDQU      Y13, vectors_count(DI)
	VPBROADCASTQ 24(R12), Y15
	VMOVDQA      Y15, V11
	VPBROADCASTQ 32(R12), Y4
	VPXOR        Y13, Y4, Y4
	VPBROADCASTQ 40(R12), Y5
	VPBROADCASTQ 48(R12), Y6
	VPXOR        ending_last(R13), Y6, Y6
	VPBROADCASTQ 56(R12), Y7
	VPBROADCASTQ 0(R12), Y12
	VPBROADCASTQ 8(R12), Y13
	VPBROADCASTQ 16(R12), Y14

	ROUNDS

	VMOVDQA V11, Y15
	FORWARD(0, Y8, Y12)
	FORWARD(64, Y9, Y13)
	FORWARD(128, Y10, Y14)
	FORWARD(192, Y11, Y15)
	FORWARD(256, Y0, Y4)
	FORWARD(320, Y1, Y5)
	FORWARD(384, Y2, Y6)
	FORWARD(448, Y3, Y7)

	DECQ SI
	JNZ  block

	VZEROUPPER
	RET

// The bytes of a word rotated right by 24 and by 16 bits, for each of four.
DATA turns<>+0(SB)/8, $0x0201000706050403
DATA turns<>+8(SB)/8, $0x0a09080f0e0d0c0b
DATA turns<>+16(SB)/8, $0x0201000706050403
DATA turns<>+24(SB)/8, $0x0a09080f0e0d0c0b
DATA turns<>+32(SB)/8, $0x0100070605040302
DATA turns<>+40(SB)/8, $0x09080f0e0d0c0b0a
DATA turns<>+48(SB)/8, $0x0100070605040302
DATA turns<>+56(SB)/8, $0x09080f0e0d0c0b0a
GLOBL turns<>(SB), RODATA|NOPTR, $64
