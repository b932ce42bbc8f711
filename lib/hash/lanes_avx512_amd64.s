// BLAKE2b for eight messages at once, one in each 64-bit column of the AVX-512 registers. Written by hand. Its twin
// is compressGeneric.

//go:build !purego && !noasm

#include "go_asm.h"
#include "rounds_amd64.h"
#include "textflag.h"

#define V0  Z0
#define V1  Z1
#define V2  Z2
#define V3  Z3
#define V4  Z4
#define V5  Z5
#define V6  Z6
#define V7  Z7
#define V8  Z8
#define V9  Z9
#define V10 Z10
#define V11 Z11
#define V12 Z12
#define V13 Z13
#define V14 Z14
#define V15 Z15
#define V16 Z16
#define V17 Z17
#define V18 Z18
#define V19 Z19
#define V20 Z20
#define V21 Z21
#define V22 Z22
#define V23 Z23
#define V24 Z24
#define V25 Z25
#define V26 Z26
#define V27 Z27
#define V28 Z28
#define V29 Z29
#define V30 Z30
#define V31 Z31

#include "avx512_amd64.h"

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
