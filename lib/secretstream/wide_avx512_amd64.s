// ChaCha20 for 16 blocks at once, each in a 32-bit column of the AVX-512 registers. Written by hand. Its twin is
// chacha20.Cipher.XORKeyStream of golang.org/x/crypto.

//go:build !purego && !noasm

#include "textflag.h"

DATA numbers<>+0(SB)/4, $0
DATA numbers<>+4(SB)/4, $1
DATA numbers<>+8(SB)/4, $2
DATA numbers<>+12(SB)/4, $3
DATA numbers<>+16(SB)/4, $4
DATA numbers<>+20(SB)/4, $5
DATA numbers<>+24(SB)/4, $6
DATA numbers<>+28(SB)/4, $7
DATA numbers<>+32(SB)/4, $8
DATA numbers<>+36(SB)/4, $9
DATA numbers<>+40(SB)/4, $10
DATA numbers<>+44(SB)/4, $11
DATA numbers<>+48(SB)/4, $12
DATA numbers<>+52(SB)/4, $13
DATA numbers<>+56(SB)/4, $14
DATA numbers<>+60(SB)/4, $15
GLOBL numbers<>(SB), RODATA|NOPTR, $64

// QUARTERS does a quarter round of RFC 8439, 2.1, on four columns or on four diagonals.
#define QUARTERS(a0, b0, c0, d0, a1, b1, c1, d1, a2, b2, c2, d2, a3, b3, c3, d3) \
	VPADDD b0, a0, a0; \
	VPADDD b1, a1, a1; \
	VPADDD b2, a2, a2; \
	VPADDD b3, a3, a3; \
	VPXORD a0, d0, d0; \
	VPXORD a1, d1, d1; \
	VPXORD a2, d2, d2; \
	VPXORD a3, d3, d3; \
	VPROLD $16, d0, d0; \
	VPROLD $16, d1, d1; \
	VPROLD $16, d2, d2; \
	VPROLD $16, d3, d3; \
	VPADDD d0, c0, c0; \
	VPADDD d1, c1, c1; \
	VPADDD d2, c2, c2; \
	VPADDD d3, c3, c3; \
	VPXORD c0, b0, b0; \
	VPXORD c1, b1, b1; \
	VPXORD c2, b2, b2; \
	VPXORD c3, b3, b3; \
	VPROLD $12, b0, b0; \
	VPROLD $12, b1, b1; \
	VPROLD $12, b2, b2; \
	VPROLD $12, b3, b3; \
	VPADDD b0, a0, a0; \
	VPADDD b1, a1, a1; \
	VPADDD b2, a2, a2; \
	VPADDD b3, a3, a3; \
	VPXORD a0, d0, d0; \
	VPXORD a1, d1, d1; \
	VPXORD a2, d2, d2; \
	VPXORD a3, d3, d3; \
	VPROLD $8, d0, d0; \
	VPROLD $8, d1, d1; \
	VPROLD $8, d2, d2; \
	VPROLD $8, d3, d3; \
	VPADDD d0, c0, c0; \
	VPADDD d1, c1, c1; \
	VPADDD d2, c2, c2; \
	VPADDD d3, c3, c3; \
	VPXORD c0, b0, b0; \
	VPXORD c1, b1, b1; \
	VPXORD c2, b2, b2; \
	VPXORD c3, b3, b3; \
	VPROLD $7, b0, b0; \
	VPROLD $7, b1, b1; \
	VPROLD $7, b2, b2; \
	VPROLD $7, b3, b3

// WORDS transposes four words of all blocks: w0 has then those of blocks 0, 4, 8 and 12, w1 those of 1, 5, 9 and 13, and so on.
#define WORDS(w0, w1, w2, w3) \
	VPUNPCKLDQ  w1, w0, Z16;  \
	VPUNPCKHDQ  w1, w0, Z17;  \
	VPUNPCKLDQ  w3, w2, Z18;  \
	VPUNPCKHDQ  w3, w2, Z19;  \
	VPUNPCKLQDQ Z18, Z16, w0; \
	VPUNPCKHQDQ Z18, Z16, w1; \
	VPUNPCKLQDQ Z19, Z17, w2; \
	VPUNPCKHQDQ Z19, Z17, w3

// BLOCKS puts four words of four blocks each together, from every fourth word on, and mixes them with the text.
#define BLOCKS(at, w0, w4, w8, w12) \
	VSHUFI32X4 $0x44, w4, w0, Z16;     \
	VSHUFI32X4 $0xee, w4, w0, Z17;     \
	VSHUFI32X4 $0x44, w12, w8, Z18;    \
	VSHUFI32X4 $0xee, w12, w8, Z19;    \
	VSHUFI32X4 $0x88, Z18, Z16, w0;    \
	VSHUFI32X4 $0xdd, Z18, Z16, w4;    \
	VSHUFI32X4 $0x88, Z19, Z17, w8;    \
	VSHUFI32X4 $0xdd, Z19, Z17, w12;   \
	VPXORD     (at+0)(SI), w0, w0;     \
	VPXORD     (at+256)(SI), w4, w4;   \
	VPXORD     (at+512)(SI), w8, w8;   \
	VPXORD     (at+768)(SI), w12, w12; \
	VMOVDQU32  w0, (at+0)(SI);         \
	VMOVDQU32  w4, (at+256)(SI);       \
	VMOVDQU32  w8, (at+512)(SI);       \
	VMOVDQU32  w12, (at+768)(SI)

// func xorAVX512(state *[16]uint32, data *byte, groups int)
TEXT ·xorAVX512(SB), NOSPLIT, $0-24
	MOVQ state+0(FP), DI
	MOVQ data+8(FP), SI
	MOVQ groups+16(FP), CX

group:
	VPBROADCASTD 0(DI), Z0
	VPBROADCASTD 4(DI), Z1
	VPBROADCASTD 8(DI), Z2
	VPBROADCASTD 12(DI), Z3
	VPBROADCASTD 16(DI), Z4
	VPBROADCASTD 20(DI), Z5
	VPBROADCASTD 24(DI), Z6
	VPBROADCASTD 28(DI), Z7
	VPBROADCASTD 32(DI), Z8
	VPBROADCASTD 36(DI), Z9
	VPBROADCASTD 40(DI), Z10
	VPBROADCASTD 44(DI), Z11
	VPBROADCASTD 48(DI), Z12
	VPBROADCASTD 52(DI), Z13
	VPBROADCASTD 56(DI), Z14
	VPBROADCASTD 60(DI), Z15
	VPADDD       numbers<>(SB), Z12, Z12
	VMOVDQA32    Z12, Z20
	MOVL         $10, AX

rounds:
	QUARTERS(Z0, Z4, Z8, Z12, Z1, Z5, Z9, Z13, Z2, Z6, Z10, Z14, Z3, Z7, Z11, Z15)
	QUARTERS(Z0, Z5, Z10, Z15, Z1, Z6, Z11, Z12, Z2, Z7, Z8, Z13, Z3, Z4, Z9, Z14)
	DECL AX
	JNZ  rounds

	VPADDD.BCST 0(DI), Z0, Z0
	VPADDD.BCST 4(DI), Z1, Z1
	VPADDD.BCST 8(DI), Z2, Z2
	VPADDD.BCST 12(DI), Z3, Z3
	VPADDD.BCST 16(DI), Z4, Z4
	VPADDD.BCST 20(DI), Z5, Z5
	VPADDD.BCST 24(DI), Z6, Z6
	VPADDD.BCST 28(DI), Z7, Z7
	VPADDD.BCST 32(DI), Z8, Z8
	VPADDD.BCST 36(DI), Z9, Z9
	VPADDD.BCST 40(DI), Z10, Z10
	VPADDD.BCST 44(DI), Z11, Z11
	VPADDD      Z20, Z12, Z12
	VPADDD.BCST 52(DI), Z13, Z13
	VPADDD.BCST 56(DI), Z14, Z14
	VPADDD.BCST 60(DI), Z15, Z15

	WORDS(Z0, Z1, Z2, Z3)
	WORDS(Z4, Z5, Z6, Z7)
	WORDS(Z8, Z9, Z10, Z11)
	WORDS(Z12, Z13, Z14, Z15)
	BLOCKS(0, Z0, Z4, Z8, Z12)
	BLOCKS(64, Z1, Z5, Z9, Z13)
	BLOCKS(128, Z2, Z6, Z10, Z14)
	BLOCKS(192, Z3, Z7, Z11, Z15)

	ADDL $16, 48(DI)
	ADDQ $1024, SI
	DECQ CX
	JNZ  group

	VZEROUPPER
	RET
