// Poly1305 in eight lanes of AVX-512, in limbs of 44, 44 and 42 bits, which the multiplication of 52 bits takes. Written by
// hand. Its twin is poly.blocks.

//go:build !purego && !noasm

#include "go_asm.h"
#include "textflag.h"

// CUT makes limbs of two words; what is in a third one has yet to be added. The table of VPTERNLOGQ is (l1 | l2) & Z15.
#define CUT(lo, mid, l0, l1, l2) \
	VPSRLQ     $44, lo, l1;        \
	VPSLLQ     $20, mid, l2;       \
	VPANDQ     Z15, lo, l0;        \
	VPTERNLOGQ $0xa8, Z15, l2, l1; \
	VPSRLQ     $24, mid, l2

// BLOCKS makes limbs of eight blocks.
#define BLOCKS(at, l0, l1, l2) \
	VMOVDQU64   (at+0)(SI), Z20;    \
	VMOVDQU64   (at+64)(SI), Z21;   \
	VPUNPCKLQDQ Z21, Z20, Z22;      \
	VPUNPCKHQDQ Z21, Z20, Z23;      \
	CUT(Z22, Z23, l0, l1, l2);      \
	VPORQ       Z17, l2, l2

// POWERS makes factors of the powers at the end: their limbs, and the two higher ones twenty times, as 2¹³² counts.
#define POWERS(f0, f1, f2, f3, f4) \
	VMOVDQU64 (polyLanes_powers+0)(DI), Z20;   \
	VMOVDQU64 (polyLanes_powers+64)(DI), Z21;  \
	VMOVDQU64 (polyLanes_powers+128)(DI), Z22; \
	CUT(Z20, Z21, f0, f1, f2);                 \
	VPSLLQ    $40, Z22, Z22;                   \
	VPADDQ    Z22, f2, f2;                     \
	TWENTY(f1, f3);                            \
	TWENTY(f2, f4)

#define TWENTY(from, to) \
	VPSLLQ $2, from, to; \
	VPADDQ from, to, to; \
	VPSLLQ $2, to, to

// TIMES adds a number times one of five factors to the product: Z3-Z5 are the low 52 bits of its limbs, Z6-Z8 what is above.
#define TIMES(l0, l1, l2, f0, f1, f2, f3, f4) \
	VPMADD52LUQ f3, l2, Z3; \
	VPMADD52HUQ f3, l2, Z6; \
	VPMADD52LUQ f4, l2, Z4; \
	VPMADD52HUQ f4, l2, Z7; \
	VPMADD52LUQ f0, l2, Z5; \
	VPMADD52HUQ f0, l2, Z8; \
	VPMADD52LUQ f0, l0, Z3; \
	VPMADD52HUQ f0, l0, Z6; \
	VPMADD52LUQ f1, l0, Z4; \
	VPMADD52HUQ f1, l0, Z7; \
	VPMADD52LUQ f2, l0, Z5; \
	VPMADD52HUQ f2, l0, Z8; \
	VPMADD52LUQ f4, l1, Z3; \
	VPMADD52HUQ f4, l1, Z6; \
	VPMADD52LUQ f0, l1, Z4; \
	VPMADD52HUQ f0, l1, Z7; \
	VPMADD52LUQ f1, l1, Z5; \
	VPMADD52HUQ f1, l1, Z8

// NOTHING_ABOVE begins a product whose low bits are set.
#define NOTHING_ABOVE \
	VPXORQ Z6, Z6, Z6; \
	VPXORQ Z7, Z7, Z7; \
	VPXORQ Z8, Z8, Z8

#define NOTHING \
	VPXORQ Z3, Z3, Z3; \
	VPXORQ Z4, Z4, Z4; \
	VPXORQ Z5, Z5, Z5; \
	NOTHING_ABOVE

// CARRY makes limbs of the product: what is above one goes to the next, what is above 2¹³⁰ five times to the lowest.
#define CARRY(l0, l1, l2) \
	VPSLLQ $8, Z6, Z6;   \
	VPSLLQ $8, Z7, Z7;   \
	VPSLLQ $10, Z8, Z8;  \
	VPSRLQ $44, Z3, Z9;  \
	VPANDQ Z15, Z3, l0;  \
	VPADDQ Z6, Z4, Z4;   \
	VPADDQ Z9, Z4, Z4;   \
	VPSRLQ $44, Z4, Z9;  \
	VPANDQ Z15, Z4, l1;  \
	VPADDQ Z7, Z5, Z5;   \
	VPADDQ Z9, Z5, Z5;   \
	VPSRLQ $42, Z5, Z9;  \
	VPANDQ Z16, Z5, l2;  \
	VPADDQ Z9, Z8, Z8;   \
	VPSLLQ $2, Z8, Z9;   \
	VPADDQ Z8, l0, l0;   \
	VPADDQ Z9, l0, l0;   \
	VPSRLQ $44, l0, Z9;  \
	VPANDQ Z15, l0, l0;  \
	VPADDQ Z9, l1, l1

// SUM adds the lanes of a limb.
#define SUM(z, y, x, limb) \
	VEXTRACTI64X4 $1, z, Y9;    \
	VPADDQ        Y9, y, y;     \
	VEXTRACTI128  $1, y, X3;    \
	VPADDQ        X3, x, x;     \
	VPSHUFD       $0x4e, x, X3; \
	VPADDQ        X3, x, x;     \
	VMOVQ         x, (polyLanes_after+8*limb)(DI)

// func addIFMA(v *polyLanes, data *byte, groups int)
//
// Z0-Z2 are the sum's limbs, with the blocks of one group added and not multiplied yet: below 2⁴⁶. Z10-Z14 are r⁸ as factors
// r₀ r₁ r₂ 20r₁ 20r₂, below 2⁴⁹, and Z25-Z29 are r¹⁶. So no operand is above 2⁵², and no sum above 2⁶⁴. Two groups are
// added at once, while there are, so that there is one carry for both.
TEXT ·addIFMA(SB), NOSPLIT, $0-24
	MOVQ v+0(FP), DI
	MOVQ data+8(FP), SI
	MOVQ groups+16(FP), CX

	MOVQ         $0xfffffffffff, AX
	VPBROADCASTQ AX, Z15           // a limb
	SHRQ         $2, AX
	VPBROADCASTQ AX, Z16           // the highest one
	MOVQ         $0x10000000000, AX
	VPBROADCASTQ AX, Z17           // 2¹²⁸, what ends a block

	POWERS(Z25, Z26, Z27, Z28, Z29)
	VPBROADCASTQ X25, Z10
	VPBROADCASTQ X26, Z11
	VPBROADCASTQ X27, Z12
	VPBROADCASTQ X28, Z13
	VPBROADCASTQ X29, Z14
	NOTHING
	TIMES(Z10, Z11, Z12, Z10, Z11, Z12, Z13, Z14)
	CARRY(Z25, Z26, Z27)
	TWENTY(Z26, Z28)
	TWENTY(Z27, Z29)

	VMOVQ  (polyLanes_before+0)(DI), X20
	VMOVQ  (polyLanes_before+8)(DI), X21
	VMOVQ  (polyLanes_before+16)(DI), X22
	CUT(Z20, Z21, Z0, Z1, Z2)
	VPSLLQ $40, Z22, Z22
	VPADDQ Z22, Z2, Z2
	BLOCKS(0, Z3, Z4, Z5)
	VPADDQ Z3, Z0, Z0
	VPADDQ Z4, Z1, Z1
	VPADDQ Z5, Z2, Z2
	ADDQ   $128, SI
	SUBQ   $3, CX
	JLT    last

pair:
	BLOCKS(128, Z3, Z4, Z5)
	BLOCKS(0, Z18, Z19, Z24)
	NOTHING_ABOVE
	TIMES(Z18, Z19, Z24, Z10, Z11, Z12, Z13, Z14)
	TIMES(Z0, Z1, Z2, Z25, Z26, Z27, Z28, Z29)
	CARRY(Z0, Z1, Z2)
	ADDQ $256, SI
	SUBQ $2, CX
	JGE  pair

last:
	CMPQ CX, $-1
	JLT  end
	BLOCKS(0, Z3, Z4, Z5)
	NOTHING_ABOVE
	TIMES(Z0, Z1, Z2, Z10, Z11, Z12, Z13, Z14)
	CARRY(Z0, Z1, Z2)

end:
	POWERS(Z10, Z11, Z12, Z13, Z14)
	NOTHING
	TIMES(Z0, Z1, Z2, Z10, Z11, Z12, Z13, Z14)
	CARRY(Z0, Z1, Z2)
	SUM(Z0, Y0, X0, 0)
	SUM(Z1, Y1, X1, 1)
	SUM(Z2, Y2, X2, 2)
	VZEROUPPER
	RET
