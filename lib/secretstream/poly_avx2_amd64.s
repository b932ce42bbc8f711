// Poly1305 in four lanes of AVX2, in limbs of 26 bits. Written by hand. Its twin is poly.blocks.

//go:build !purego && !noasm

#include "go_asm.h"
#include "textflag.h"

DATA limb<>+0(SB)/8, $0x3ffffff
DATA limb<>+8(SB)/8, $0x3ffffff
DATA limb<>+16(SB)/8, $0x3ffffff
DATA limb<>+24(SB)/8, $0x3ffffff
GLOBL limb<>(SB), RODATA|NOPTR, $32

DATA ending<>+0(SB)/8, $0x1000000
DATA ending<>+8(SB)/8, $0x1000000
DATA ending<>+16(SB)/8, $0x1000000
DATA ending<>+24(SB)/8, $0x1000000
GLOBL ending<>(SB), RODATA|NOPTR, $32

// CUT makes limbs of two words; what is in a third one has yet to be added.
#define CUT(lo, mid, l0, l1, l2, l3, l4) \
	VPSRLQ $26, lo, l1;  \
	VPSRLQ $52, lo, l2;  \
	VPSLLQ $12, mid, l3; \
	VPAND  Y15, lo, l0;  \
	VPOR   l3, l2, l2;   \
	VPSRLQ $14, mid, l3; \
	VPSRLQ $40, mid, l4; \
	VPAND  Y15, l1, l1;  \
	VPAND  Y15, l2, l2;  \
	VPAND  Y15, l3, l3

// BLOCKS makes limbs of four blocks.
#define BLOCKS(at, l0, l1, l2, l3, l4) \
	VMOVDQU     (at+0)(SI), Y10;            \
	VMOVDQU     (at+32)(SI), Y11;           \
	VPUNPCKLQDQ Y11, Y10, Y12;              \
	VPUNPCKHQDQ Y11, Y10, Y13;              \
	CUT(Y12, Y13, l0, l1, l2, l3, l4);      \
	VPOR        Y14, l4, l4

// ADD adds limbs in Y0-Y4 to those in Y5-Y9.
#define ADD \
	VPADDQ Y0, Y5, Y5; \
	VPADDQ Y1, Y6, Y6; \
	VPADDQ Y2, Y7, Y7; \
	VPADDQ Y3, Y8, Y8; \
	VPADDQ Y4, Y9, Y9

// FACTORS are the limbs of a power of r, r₀ … r₄, and 5r₁ … 5r₄, below 2³⁰. The stack has three at BX.
#define FACTORS 288
#define LATER   0               // r⁸, of all lanes
#define NEXT    FACTORS         // r⁴, of all lanes
#define END     (2*FACTORS)     // r⁴, r³, r² and r

// KEEP keeps the limbs in Y0-Y4 as factors.
#define KEEP(set) \
	VMOVDQA Y0, (set+0)(BX);   \
	VMOVDQA Y1, (set+32)(BX);  \
	VMOVDQA Y2, (set+64)(BX);  \
	VMOVDQA Y3, (set+96)(BX);  \
	VMOVDQA Y4, (set+128)(BX); \
	FIVE(Y1, set+160);         \
	FIVE(Y2, set+192);         \
	FIVE(Y3, set+224);         \
	FIVE(Y4, set+256)

#define FIVE(limb, at) \
	VPSLLQ  $2, limb, Y10;  \
	VPADDQ  limb, Y10, Y10; \
	VMOVDQA Y10, (at)(BX)

// LIMB adds a limb times five factors to the product in Y5-Y9.
#define LIMB(l, f0, f1, f2, f3, f4) \
	VPMULUDQ (f0)(BX), l, Y10; \
	VPMULUDQ (f1)(BX), l, Y11; \
	VPMULUDQ (f2)(BX), l, Y12; \
	VPMULUDQ (f3)(BX), l, Y13; \
	VPADDQ   Y10, Y5, Y5;      \
	VPMULUDQ (f4)(BX), l, Y10; \
	VPADDQ   Y11, Y6, Y6;      \
	VPADDQ   Y12, Y7, Y7;      \
	VPADDQ   Y13, Y8, Y8;      \
	VPADDQ   Y10, Y9, Y9

// PLUS_TIMES adds the limbs in Y0-Y4 times factors to the product, TIMES sets it to that.
#define PLUS_TIMES(set) \
	LIMB(Y0, set+0, set+32, set+64, set+96, set+128); \
	TIMES_HIGHER(set)

#define TIMES(set) \
	VPMULUDQ (set+0)(BX), Y0, Y5;   \
	VPMULUDQ (set+32)(BX), Y0, Y6;  \
	VPMULUDQ (set+64)(BX), Y0, Y7;  \
	VPMULUDQ (set+96)(BX), Y0, Y8;  \
	VPMULUDQ (set+128)(BX), Y0, Y9; \
	TIMES_HIGHER(set)

#define TIMES_HIGHER(set) \
	LIMB(Y1, set+256, set+0, set+32, set+64, set+96);    \
	LIMB(Y2, set+224, set+256, set+0, set+32, set+64);   \
	LIMB(Y3, set+192, set+224, set+256, set+0, set+32);  \
	LIMB(Y4, set+160, set+192, set+224, set+256, set+0)

// CARRY makes limbs of the product, in Y0-Y4: what is above one goes to the next, what is above 2¹³⁰ five times to the
// lowest. It begins in two places at once.
#define CARRY \
	VPSRLQ $26, Y8, Y10;   \
	VPAND  Y15, Y8, Y8;    \
	VPADDQ Y10, Y9, Y9;    \
	VPSRLQ $26, Y5, Y11;   \
	VPAND  Y15, Y5, Y5;    \
	VPADDQ Y11, Y6, Y6;    \
	VPSRLQ $26, Y9, Y10;   \
	VPAND  Y15, Y9, Y9;    \
	VPSRLQ $26, Y6, Y11;   \
	VPAND  Y15, Y6, Y6;    \
	VPADDQ Y10, Y5, Y5;    \
	VPSLLQ $2, Y10, Y10;   \
	VPADDQ Y11, Y7, Y7;    \
	VPADDQ Y10, Y5, Y5;    \
	VPSRLQ $26, Y7, Y12;   \
	VPAND  Y15, Y7, Y2;    \
	VPADDQ Y12, Y8, Y8;    \
	VPSRLQ $26, Y5, Y10;   \
	VPAND  Y15, Y5, Y0;    \
	VPADDQ Y10, Y6, Y1;    \
	VPSRLQ $26, Y8, Y11;   \
	VPAND  Y15, Y8, Y3;    \
	VPADDQ Y11, Y9, Y4

// SUM adds the lanes of a limb.
#define SUM(y, x, limb) \
	VEXTRACTI128 $1, y, X10;    \
	VPADDQ       X10, x, x;     \
	VPSHUFD      $0x4e, x, X10; \
	VPADDQ       X10, x, x;     \
	VMOVQ        x, (polyLanes_after+8*limb)(DI)

// func addAVX2(v *polyLanes, data *byte, groups int)
//
// Y0-Y4 are the sum's limbs, below 2²⁸ with the blocks of one group added and not multiplied yet. So no operand is above 2³²,
// and no sum above 2⁶⁴. Two groups are added at once, while there are, so that there is one carry for both.
TEXT ·addAVX2(SB), 0, $896-24
	MOVQ    v+0(FP), DI
	MOVQ    data+8(FP), SI
	MOVQ    groups+16(FP), CX
	LEAQ    31(SP), BX
	ANDQ    $~31, BX
	VMOVDQU limb<>(SB), Y15
	VMOVDQU ending<>(SB), Y14

	VMOVDQU (polyLanes_powers+0)(DI), Y5
	VMOVDQU (polyLanes_powers+64)(DI), Y6
	VMOVDQU (polyLanes_powers+128)(DI), Y7
	CUT(Y5, Y6, Y0, Y1, Y2, Y3, Y4)
	VPSLLQ  $24, Y7, Y7
	VPADDQ  Y7, Y4, Y4
	KEEP(END)
	VPBROADCASTQ X0, Y0
	VPBROADCASTQ X1, Y1
	VPBROADCASTQ X2, Y2
	VPBROADCASTQ X3, Y3
	VPBROADCASTQ X4, Y4
	KEEP(NEXT)
	TIMES(NEXT)
	CARRY
	KEEP(LATER)

	VMOVQ  (polyLanes_before+0)(DI), X5
	VMOVQ  (polyLanes_before+8)(DI), X6
	VMOVQ  (polyLanes_before+16)(DI), X7
	CUT(Y5, Y6, Y0, Y1, Y2, Y3, Y4)
	VPSLLQ $24, Y7, Y7
	VPADDQ Y7, Y4, Y4
	BLOCKS(0, Y5, Y6, Y7, Y8, Y9)
	VPADDQ Y5, Y0, Y0
	VPADDQ Y6, Y1, Y1
	VPADDQ Y7, Y2, Y2
	VPADDQ Y8, Y3, Y3
	VPADDQ Y9, Y4, Y4
	ADDQ   $64, SI
	SUBQ   $3, CX
	JLT    last

pair:
	TIMES(LATER)
	BLOCKS(0, Y0, Y1, Y2, Y3, Y4)
	PLUS_TIMES(NEXT)
	BLOCKS(64, Y0, Y1, Y2, Y3, Y4)
	ADD
	CARRY
	ADDQ $128, SI
	SUBQ $2, CX
	JGE  pair

last:
	CMPQ CX, $-1
	JLT  end
	TIMES(NEXT)
	BLOCKS(0, Y0, Y1, Y2, Y3, Y4)
	ADD
	CARRY

end:
	TIMES(END)
	CARRY
	SUM(Y0, X0, 0)
	SUM(Y1, X1, 1)
	SUM(Y2, X2, 2)
	SUM(Y3, X3, 3)
	SUM(Y4, X4, 4)
	VZEROUPPER
	RET
