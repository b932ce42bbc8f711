// Rabin fingerprints of 64 lanes at once, with AVX-512 and GFNI. Written by hand. Its twin is firstHit, in rabin_lanes_test.go.
//
// A fingerprint is kept in slices: register k holds byte k of all of them. A step is linear over GF(2), so it
// is a matrix of bits for each byte that comes in and each that goes out, and the processor multiplies 64 bytes by one
// such matrix in an instruction.

//go:build !purego && !noasm

#include "go_asm.h"
#include "textflag.h"

// The frame: hits of 16 steps, values that do not fit into registers, and the ring, aligned to a cache line: the last 64
// bytes of every lane, step by step.
#define HITS   0
#define RING   128
#define BACK   136
#define GROUPS 144

// UNPACK interleaves the bytes of a and b, those of the lower halves into t, of the upper ones into b. Then a is free.
#define UNPACK(a, b, t) \
	VPUNPCKLBW b, a, t; \
	VPUNPCKHBW b, a, b

// ROW reads 16 bytes of the lanes n, n+16, n+32 and n+48; n is 0 where R10 points to.
#define ROW(z) \
	VBROADCASTI32X4 (R10), z;     \
	VBROADCASTI32X4 (R11), K2, z; \
	VBROADCASTI32X4 (R12), K3, z; \
	VBROADCASTI32X4 (R13), K4, z; \
	ADDQ R8, R10;                 \
	ADDQ R8, R11;                 \
	ADDQ R8, R12;                 \
	ADDQ R8, R13

// COLUMNS reads the next 16 bytes of all lanes and transposes them: column by column, they are then in Z20 … Z7, Z23 and
// Z22. Each stage moves the highest bit of a column's number to the lowest one of the lane's number.
#define COLUMNS \
	ROW(Z7); \
	ROW(Z8); \
	ROW(Z9); \
	ROW(Z10); \
	ROW(Z11); \
	ROW(Z12); \
	ROW(Z13); \
	ROW(Z14); \
	ROW(Z15); \
	ROW(Z16); \
	ROW(Z17); \
	ROW(Z18); \
	ROW(Z19); \
	ROW(Z20); \
	ROW(Z21); \
	ROW(Z22); \
	SUBQ BACK(SP), R10; \
	SUBQ BACK(SP), R11; \
	SUBQ BACK(SP), R12; \
	SUBQ BACK(SP), R13; \
	UNPACK(Z7, Z15, Z23); \
	UNPACK(Z8, Z16, Z7); \
	UNPACK(Z9, Z17, Z8); \
	UNPACK(Z10, Z18, Z9); \
	UNPACK(Z11, Z19, Z10); \
	UNPACK(Z12, Z20, Z11); \
	UNPACK(Z13, Z21, Z12); \
	UNPACK(Z14, Z22, Z13); \
	UNPACK(Z23, Z10, Z14); \
	UNPACK(Z15, Z19, Z23); \
	UNPACK(Z7, Z11, Z15); \
	UNPACK(Z16, Z20, Z7); \
	UNPACK(Z8, Z12, Z16); \
	UNPACK(Z17, Z21, Z8); \
	UNPACK(Z9, Z13, Z17); \
	UNPACK(Z18, Z22, Z9); \
	UNPACK(Z14, Z16, Z18); \
	UNPACK(Z10, Z12, Z14); \
	UNPACK(Z23, Z8, Z10); \
	UNPACK(Z19, Z21, Z23); \
	UNPACK(Z15, Z17, Z19); \
	UNPACK(Z11, Z13, Z15); \
	UNPACK(Z7, Z9, Z11); \
	UNPACK(Z20, Z22, Z7); \
	UNPACK(Z18, Z19, Z20); \
	UNPACK(Z16, Z17, Z18); \
	UNPACK(Z14, Z15, Z16); \
	UNPACK(Z12, Z13, Z14); \
	UNPACK(Z10, Z11, Z12); \
	UNPACK(Z8, Z9, Z10); \
	UNPACK(Z23, Z7, Z8); \
	UNPACK(Z21, Z22, Z23)

// TOP takes from a fingerprint what a step pushes above its degree: its 8 highest bits, into Z24. Then s6 is free.
#define TOP(s5, s6) \
	VGF2P8AFFINEQB.BCST $0, sliced_top+0(DI), s5, Z24; \
	VGF2P8AFFINEQB.BCST $0, sliced_top+8(DI), s6, s6;  \
	VPXORQ              s6, Z24, Z24

// PUSH reduces byte k while the first window fills up.
#define PUSH(k, s) \
	VGF2P8AFFINEQB.BCST $0, (sliced_push+8*k)(DI), Z24, Z25; \
	VPXORQ              Z25, s, s

#define FILL(i, c, s0, s1, s2, s3, s4, s5, s6) \
	VMOVDQA64 c, (64*i)(DX); \
	TOP(s5, s6);  \
	PUSH(6, s5);  \
	PUSH(5, s4);  \
	PUSH(4, s3);  \
	PUSH(3, s2);  \
	PUSH(2, s1);  \
	PUSH(1, s0);  \
	PUSH(0, c)

// ROLL reduces byte k and removes the contribution of the byte in Z27, which leaves the window.
#define ROLL(k, s) \
	VGF2P8AFFINEQB.BCST $0, (sliced_push+8*k)(DI), Z24, Z25; \
	VGF2P8AFFINEQB.BCST $0, (sliced_out+8*k)(DI), Z27, Z26;  \
	VPTERNLOGQ          $0x96, Z25, Z26, s

// STEP takes in column c: each byte of a fingerprint moves up by one. It records which lanes have a hit.
#define STEP(i, c, s0, s1, s2, s3, s4, s5, s6) \
	VMOVDQA64 (64*i)(DX), Z27; \
	VMOVDQA64 c, (64*i)(DX);   \
	TOP(s5, s6);  \
	ROLL(6, s5);  \
	ROLL(5, s4);  \
	ROLL(4, s3);  \
	ROLL(3, s2);  \
	ROLL(2, s1);  \
	ROLL(1, s0);  \
	ROLL(0, c);   \
	VPTESTNMB Z28, c, K1;      \
	VPTESTNMB Z29, s0, K1, K1; \
	VPTESTNMB Z30, s1, K1, K1; \
	KMOVQ     K1, (HITS+8*i)(SP)

// SIXTEEN does 16 steps: the register of a column becomes that of the lowest byte, and the others move on.
#define SIXTEEN(do) \
	do(0, Z20, Z0, Z1, Z2, Z3, Z4, Z5, Z6); \
	do(1, Z19, Z20, Z0, Z1, Z2, Z3, Z4, Z5); \
	do(2, Z18, Z19, Z20, Z0, Z1, Z2, Z3, Z4); \
	do(3, Z17, Z18, Z19, Z20, Z0, Z1, Z2, Z3); \
	do(4, Z16, Z17, Z18, Z19, Z20, Z0, Z1, Z2); \
	do(5, Z15, Z16, Z17, Z18, Z19, Z20, Z0, Z1); \
	do(6, Z14, Z15, Z16, Z17, Z18, Z19, Z20, Z0); \
	do(7, Z13, Z14, Z15, Z16, Z17, Z18, Z19, Z20); \
	do(8, Z12, Z13, Z14, Z15, Z16, Z17, Z18, Z19); \
	do(9, Z11, Z12, Z13, Z14, Z15, Z16, Z17, Z18); \
	do(10, Z10, Z11, Z12, Z13, Z14, Z15, Z16, Z17); \
	do(11, Z9, Z10, Z11, Z12, Z13, Z14, Z15, Z16); \
	do(12, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15); \
	do(13, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14); \
	do(14, Z23, Z7, Z8, Z9, Z10, Z11, Z12, Z13); \
	do(15, Z22, Z23, Z7, Z8, Z9, Z10, Z11, Z12); \
	VMOVDQA64 Z22, Z0; \
	VMOVDQA64 Z23, Z1; \
	VMOVDQA64 Z7, Z2; \
	VMOVDQA64 Z8, Z3; \
	VMOVDQA64 Z9, Z4; \
	VMOVDQA64 Z10, Z5; \
	VMOVDQA64 Z11, Z6

// func findAVX512(t *sliced, data *byte, steps int) int
TEXT ·findAVX512(SB), 0, $4352-32
	MOVQ t+0(FP), DI
	MOVQ data+8(FP), R10
	MOVQ steps+16(FP), R8

	MOVQ R8, AX
	SHLQ $4, AX
	LEAQ (R10)(AX*1), R11
	LEAQ (R11)(AX*1), R12
	LEAQ (R12)(AX*1), R13
	SUBQ $16, AX
	MOVQ AX, BACK(SP)
	LEAQ (RING+3*8+63)(SP), AX
	ANDQ $~63, AX
	MOVQ AX, RING(SP)
	MOVQ R8, AX
	SHRQ $4, AX
	ADDQ $4, AX
	MOVQ AX, GROUPS(SP)

	MOVL  $0x00f0, AX
	KMOVW AX, K2
	MOVL  $0x0f00, AX
	KMOVW AX, K3
	MOVL  $0xf000, AX
	KMOVW AX, K4

	VPBROADCASTQ sliced_mask+0(DI), Z28
	VPBROADCASTQ sliced_mask+32(DI), Z29
	VPBROADCASTQ sliced_mask+64(DI), Z30
	VPXORQ       Z0, Z0, Z0
	VPXORQ       Z1, Z1, Z1
	VPXORQ       Z2, Z2, Z2
	VPXORQ       Z3, Z3, Z3
	VPXORQ       Z4, Z4, Z4
	VPXORQ       Z5, Z5, Z5
	VPXORQ       Z6, Z6, Z6
	XORL         BX, BX
	MOVQ         $-1, CX
	XORL         SI, SI

	// The first windows.
	MOVQ RING(SP), DX

fill:
	COLUMNS
	SIXTEEN(FILL)
	ADDQ $1024, DX
	INCQ SI
	CMPQ SI, $4
	JNE  fill

	// SI counts groups of 16 steps, those of the first windows among them. BX is the first hit, and CX has the lanes
	// before that hit's.
group:
	MOVQ SI, DX
	ANDQ $3, DX
	SHLQ $10, DX
	ADDQ RING(SP), DX
	COLUMNS
	SIXTEEN(STEP)

	MOVQ (HITS+0)(SP), AX
	ORQ  (HITS+8)(SP), AX
	ORQ  (HITS+16)(SP), AX
	ORQ  (HITS+24)(SP), AX
	ORQ  (HITS+32)(SP), AX
	ORQ  (HITS+40)(SP), AX
	ORQ  (HITS+48)(SP), AX
	ORQ  (HITS+56)(SP), AX
	ORQ  (HITS+64)(SP), AX
	ORQ  (HITS+72)(SP), AX
	ORQ  (HITS+80)(SP), AX
	ORQ  (HITS+88)(SP), AX
	ORQ  (HITS+96)(SP), AX
	ORQ  (HITS+104)(SP), AX
	ORQ  (HITS+112)(SP), AX
	ORQ  (HITS+120)(SP), AX
	TESTQ CX, AX
	JNZ   hits

next:
	INCQ SI
	CMPQ SI, GROUPS(SP)
	JNE  group

done:
	VZEROUPPER
	MOVQ BX, ret+24(FP)
	RET

	// The hit in the lowest lane comes first, and within a lane that of the first step.
hits:
	XORL DX, DX

hit:
	MOVQ  HITS(SP)(DX*8), AX
	INCQ  DX
	ANDQ  CX, AX
	JZ    more
	BSFQ  AX, BX
	IMULQ R8, BX
	ADDQ  DX, BX
	LEAQ  -1(AX), CX
	NOTQ  AX
	ANDQ  AX, CX
	MOVQ  SI, AX
	SUBQ  $4, AX
	SHLQ  $4, AX
	ADDQ  AX, BX
	TESTQ CX, CX
	JZ    done

more:
	CMPQ DX, $16
	JNE  hit
	JMP  next
