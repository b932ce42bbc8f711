// BLAKE2b for eight messages at once, one in each 64-bit column of the AVX-512 registers. Written by hand. Its twin
// is compressGeneric.

//go:build !purego && !noasm

#include "go_asm.h"
#include "rounds_amd64.h"
#include "textflag.h"

// The working vector is in Z0 … Z15, word by word, and the message behind it.
#define M0  Z16
#define M1  Z17
#define M2  Z18
#define M3  Z19
#define M4  Z20
#define M5  Z21
#define M6  Z22
#define M7  Z23
#define M8  Z24
#define M9  Z25
#define M10 Z26
#define M11 Z27
#define M12 Z28
#define M13 Z29
#define M14 Z30
#define M15 Z31

// HALF mixes the four columns, or the four diagonals.
#define HALF(b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3, x0, y0, x1, y1, x2, y2, x3, y3) \
	VPADDQ x0, Z0, Z0;   \
	VPADDQ x1, Z1, Z1;   \
	VPADDQ x2, Z2, Z2;   \
	VPADDQ x3, Z3, Z3;   \
	VPADDQ b0, Z0, Z0;   \
	VPADDQ b1, Z1, Z1;   \
	VPADDQ b2, Z2, Z2;   \
	VPADDQ b3, Z3, Z3;   \
	VPXORQ Z0, d0, d0;   \
	VPXORQ Z1, d1, d1;   \
	VPXORQ Z2, d2, d2;   \
	VPXORQ Z3, d3, d3;   \
	VPRORQ $32, d0, d0;  \
	VPRORQ $32, d1, d1;  \
	VPRORQ $32, d2, d2;  \
	VPRORQ $32, d3, d3;  \
	VPADDQ d0, c0, c0;   \
	VPADDQ d1, c1, c1;   \
	VPADDQ d2, c2, c2;   \
	VPADDQ d3, c3, c3;   \
	VPXORQ c0, b0, b0;   \
	VPXORQ c1, b1, b1;   \
	VPXORQ c2, b2, b2;   \
	VPXORQ c3, b3, b3;   \
	VPRORQ $24, b0, b0;  \
	VPRORQ $24, b1, b1;  \
	VPRORQ $24, b2, b2;  \
	VPRORQ $24, b3, b3;  \
	VPADDQ y0, Z0, Z0;   \
	VPADDQ y1, Z1, Z1;   \
	VPADDQ y2, Z2, Z2;   \
	VPADDQ y3, Z3, Z3;   \
	VPADDQ b0, Z0, Z0;   \
	VPADDQ b1, Z1, Z1;   \
	VPADDQ b2, Z2, Z2;   \
	VPADDQ b3, Z3, Z3;   \
	VPXORQ Z0, d0, d0;   \
	VPXORQ Z1, d1, d1;   \
	VPXORQ Z2, d2, d2;   \
	VPXORQ Z3, d3, d3;   \
	VPRORQ $16, d0, d0;  \
	VPRORQ $16, d1, d1;  \
	VPRORQ $16, d2, d2;  \
	VPRORQ $16, d3, d3;  \
	VPADDQ d0, c0, c0;   \
	VPADDQ d1, c1, c1;   \
	VPADDQ d2, c2, c2;   \
	VPADDQ d3, c3, c3;   \
	VPXORQ c0, b0, b0;   \
	VPXORQ c1, b1, b1;   \
	VPXORQ c2, b2, b2;   \
	VPXORQ c3, b3, b3;   \
	VPRORQ $63, b0, b0;  \
	VPRORQ $63, b1, b1;  \
	VPRORQ $63, b2, b2;  \
	VPRORQ $63, b3, b3

#define COLUMNS(x0, y0, x1, y1, x2, y2, x3, y3) \
	HALF(Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15, x0, y0, x1, y1, x2, y2, x3, y3)

#define DIAGONALS(x0, y0, x1, y1, x2, y2, x3, y3) \
	HALF(Z5, Z6, Z7, Z4, Z10, Z11, Z8, Z9, Z15, Z12, Z13, Z14, x0, y0, x1, y1, x2, y2, x3, y3)

// WORDS transposes two words of each lane, from an offset in its block.
#define WORDS(offset, lo, hi) \
	VMOVDQU      offset(R8), X8;           \
	VMOVDQU      offset(R9), X9;           \
	VINSERTI32X4 $1, offset(R10), Z8, Z8;  \
	VINSERTI32X4 $1, offset(R11), Z9, Z9;  \
	VINSERTI32X4 $2, offset(R12), Z8, Z8;  \
	VINSERTI32X4 $2, offset(AX), Z9, Z9;   \
	VINSERTI32X4 $3, offset(BX), Z8, Z8;   \
	VINSERTI32X4 $3, offset(CX), Z9, Z9;   \
	VPUNPCKLQDQ  Z9, Z8, lo;               \
	VPUNPCKHQDQ  Z9, Z8, hi

// FORWARD takes v and v' into h. It leaves h in v, where the next block expects it.
#define FORWARD(at, v, w) \
	VPTERNLOGQ $0x96, vectors_h+at(DI), w, v; \
	VMOVDQU64  v, vectors_h+at(DI)

// func compressAVX512(v *vectors, blocks int)
TEXT ·compressAVX512(SB), NOSPLIT, $0-16
	MOVQ v+0(FP), DI
	MOVQ blocks+8(FP), SI

	MOVQ vectors_from+0(DI), R8
	MOVQ vectors_from+8(DI), R9
	MOVQ vectors_from+16(DI), R10
	MOVQ vectors_from+24(DI), R11
	MOVQ vectors_from+32(DI), R12
	MOVQ vectors_from+40(DI), AX
	MOVQ vectors_from+48(DI), BX
	MOVQ vectors_from+56(DI), CX

	VMOVDQU64 vectors_h+0(DI), Z0
	VMOVDQU64 vectors_h+64(DI), Z1
	VMOVDQU64 vectors_h+128(DI), Z2
	VMOVDQU64 vectors_h+192(DI), Z3
	VMOVDQU64 vectors_h+256(DI), Z4
	VMOVDQU64 vectors_h+320(DI), Z5
	VMOVDQU64 vectors_h+384(DI), Z6
	VMOVDQU64 vectors_h+448(DI), Z7

block:
	WORDS(0, M0, M1)
	WORDS(16, M2, M3)
	WORDS(32, M4, M5)
	WORDS(48, M6, M7)
	WORDS(64, M8, M9)
	WORDS(80, M10, M11)
	WORDS(96, M12, M13)
	WORDS(112, M14, M15)
	ADDQ $128, R8
	ADDQ $128, R9
	ADDQ $128, R10
	ADDQ $128, R11
	ADDQ $128, R12
	ADDQ $128, AX
	ADDQ $128, BX
	ADDQ $128, CX

	LEAQ ·whole(SB), DX
	CMPQ SI, $1
	JNE  begin
	LEAQ vectors_ending(DI), DX

begin:
	VMOVDQU64    vectors_count(DI), Z15
	VPADDQ       ending_step(DX), Z15, Z15
	VMOVDQU64    Z15, vectors_count(DI)
	VPXORQ.BCST  ·iv+32(SB), Z15, Z12
	VMOVDQU64    ending_last(DX), Z14
	VPXORQ.BCST  ·iv+48(SB), Z14, Z14
	VPBROADCASTQ ·iv+0(SB), Z8
	VPBROADCASTQ ·iv+8(SB), Z9
	VPBROADCASTQ ·iv+16(SB), Z10
	VPBROADCASTQ ·iv+24(SB), Z11
	VPBROADCASTQ ·iv+40(SB), Z13
	VPBROADCASTQ ·iv+56(SB), Z15

	ROUNDS

	FORWARD(0, Z0, Z8)
	FORWARD(64, Z1, Z9)
	FORWARD(128, Z2, Z10)
	FORWARD(192, Z3, Z11)
	FORWARD(256, Z4, Z12)
	FORWARD(320, Z5, Z13)
	FORWARD(384, Z6, Z14)
	FORWARD(448, Z7, Z15)

	DECQ SI
	JNZ  block

	VZEROUPPER
	RET
