// BLAKE2b for four messages at once, one in each 64-bit column of 256 bits, with the additions of AVX-512: twice the
// registers, and rotations. Written by hand. Its twin is compressGeneric.

//go:build !purego && !noasm

#include "go_asm.h"
#include "rounds_amd64.h"
#include "textflag.h"

#define V0  Y0
#define V1  Y1
#define V2  Y2
#define V3  Y3
#define V4  Y4
#define V5  Y5
#define V6  Y6
#define V7  Y7
#define V8  Y8
#define V9  Y9
#define V10 Y10
#define V11 Y11
#define V12 Y12
#define V13 Y13
#define V14 Y14
#define V15 Y15
#define V16 Y16
#define V17 Y17
#define V18 Y18
#define V19 Y19
#define V20 Y20
#define V21 Y21
#define V22 Y22
#define V23 Y23
#define V24 Y24
#define V25 Y25
#define V26 Y26
#define V27 Y27
#define V28 Y28
#define V29 Y29
#define V30 Y30
#define V31 Y31

#include "avx512_amd64.h"

// WORDS transposes two words of each lane, from an offset in its block.
#define WORDS(offset, lo, hi) \
	VMOVDQU      offset(R8), X8;          \
	VMOVDQU      offset(R9), X9;          \
	VINSERTI32X4 $1, offset(R10), Y8, Y8; \
	VINSERTI32X4 $1, offset(R11), Y9, Y9; \
	VPUNPCKLQDQ  Y9, Y8, lo;              \
	VPUNPCKHQDQ  Y9, Y8, hi

// func compressAVX512VL(v *vectors, blocks int)
TEXT ·compressAVX512VL(SB), NOSPLIT, $0-16
	MOVQ v+0(FP), DI
	MOVQ blocks+8(FP), SI

	MOVQ vectors_from+0(DI), R8
	MOVQ vectors_from+8(DI), R9
	MOVQ vectors_from+16(DI), R10
	MOVQ vectors_from+24(DI), R11

	VMOVDQU64 vectors_h+0(DI), Y0
	VMOVDQU64 vectors_h+64(DI), Y1
	VMOVDQU64 vectors_h+128(DI), Y2
	VMOVDQU64 vectors_h+192(DI), Y3
	VMOVDQU64 vectors_h+256(DI), Y4
	VMOVDQU64 vectors_h+320(DI), Y5
	VMOVDQU64 vectors_h+384(DI), Y6
	VMOVDQU64 vectors_h+448(DI), Y7

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

	LEAQ ·whole(SB), DX
	CMPQ SI, $1
	JNE  begin
	LEAQ vectors_ending(DI), DX

begin:
	VMOVDQU64    vectors_count(DI), Y15
	VPADDQ       ending_step(DX), Y15, Y15
	VMOVDQU64    Y15, vectors_count(DI)
	VPXORQ.BCST  ·iv+32(SB), Y15, Y12
	VMOVDQU64    ending_last(DX), Y14
	VPXORQ.BCST  ·iv+48(SB), Y14, Y14
	VPBROADCASTQ ·iv+0(SB), Y8
	VPBROADCASTQ ·iv+8(SB), Y9
	VPBROADCASTQ ·iv+16(SB), Y10
	VPBROADCASTQ ·iv+24(SB), Y11
	VPBROADCASTQ ·iv+40(SB), Y13
	VPBROADCASTQ ·iv+56(SB), Y15

	ROUNDS

	FORWARD(0, Y0, Y8)
	FORWARD(64, Y1, Y9)
	FORWARD(128, Y2, Y10)
	FORWARD(192, Y3, Y11)
	FORWARD(256, Y4, Y12)
	FORWARD(320, Y5, Y13)
	FORWARD(384, Y6, Y14)
	FORWARD(448, Y7, Y15)

	DECQ SI
	JNZ  block

	VZEROUPPER
	RET
