// Common parts of the kernels with AVX-512, in registers of 512 bits or of 256. The including file defines V0 … V31.

// The working vector is in V0 … V15, word by word, and the message after it.
#define M0  V16
#define M1  V17
#define M2  V18
#define M3  V19
#define M4  V20
#define M5  V21
#define M6  V22
#define M7  V23
#define M8  V24
#define M9  V25
#define M10 V26
#define M11 V27
#define M12 V28
#define M13 V29
#define M14 V30
#define M15 V31

// HALF mixes the four columns, or the four diagonals.
#define HALF(b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3, x0, y0, x1, y1, x2, y2, x3, y3) \
	VPADDQ x0, V0, V0;   \
	VPADDQ x1, V1, V1;   \
	VPADDQ x2, V2, V2;   \
	VPADDQ x3, V3, V3;   \
	VPADDQ b0, V0, V0;   \
	VPADDQ b1, V1, V1;   \
	VPADDQ b2, V2, V2;   \
	VPADDQ b3, V3, V3;   \
	VPXORQ V0, d0, d0;   \
	VPXORQ V1, d1, d1;   \
	VPXORQ V2, d2, d2;   \
	VPXORQ V3, d3, d3;   \
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
	VPADDQ y0, V0, V0;   \
	VPADDQ y1, V1, V1;   \
	VPADDQ y2, V2, V2;   \
	VPADDQ y3, V3, V3;   \
	VPADDQ b0, V0, V0;   \
	VPADDQ b1, V1, V1;   \
	VPADDQ b2, V2, V2;   \
	VPADDQ b3, V3, V3;   \
	VPXORQ V0, d0, d0;   \
	VPXORQ V1, d1, d1;   \
	VPXORQ V2, d2, d2;   \
	VPXORQ V3, d3, d3;   \
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
	HALF(V4, V5, V6, V7, V8, V9, V10, V11, V12, V13, V14, V15, x0, y0, x1, y1, x2, y2, x3, y3)

#define DIAGONALS(x0, y0, x1, y1, x2, y2, x3, y3) \
	HALF(V5, V6, V7, V4, V10, V11, V8, V9, V15, V12, V13, V14, x0, y0, x1, y1, x2, y2, x3, y3)

// FORWARD takes v and v' into h. It leaves h in v, where the next block expects it.
#define FORWARD(at, v, w) \
	VPTERNLOGQ $0x96, vectors_h+at(DI), w, v; \
	VMOVDQU64  v, vectors_h+at(DI)
