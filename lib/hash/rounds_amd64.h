// The twelve rounds of BLAKE2b. The including file defines the words of the message, M0 … M15, and COLUMNS and DIAGONALS,
// which mix two words into each of the four. Source: RFC 7693, 2.7.

#define ROUNDS \
	COLUMNS(M0, M1, M2, M3, M4, M5, M6, M7);         \
	DIAGONALS(M8, M9, M10, M11, M12, M13, M14, M15); \
	COLUMNS(M14, M10, M4, M8, M9, M15, M13, M6);     \
	DIAGONALS(M1, M12, M0, M2, M11, M7, M5, M3);     \
	COLUMNS(M11, M8, M12, M0, M5, M2, M15, M13);     \
	DIAGONALS(M10, M14, M3, M6, M7, M1, M9, M4);     \
	COLUMNS(M7, M9, M3, M1, M13, M12, M11, M14);     \
	DIAGONALS(M2, M6, M5, M10, M4, M0, M15, M8);     \
	COLUMNS(M9, M0, M5, M7, M2, M4, M10, M15);       \
	DIAGONALS(M14, M1, M11, M12, M6, M8, M3, M13);   \
	COLUMNS(M2, M12, M6, M10, M0, M11, M8, M3);      \
	DIAGONALS(M4, M13, M7, M5, M15, M14, M1, M9);    \
	COLUMNS(M12, M5, M1, M15, M14, M13, M4, M10);    \
	DIAGONALS(M0, M7, M6, M3, M9, M2, M8, M11);      \
	COLUMNS(M13, M11, M7, M14, M12, M1, M3, M9);     \
	DIAGONALS(M5, M0, M15, M4, M8, M6, M2, M10);     \
	COLUMNS(M6, M15, M14, M9, M11, M3, M0, M8);      \
	DIAGONALS(M12, M2, M13, M7, M1, M4, M10, M5);    \
	COLUMNS(M10, M2, M8, M4, M7, M6, M1, M5);        \
	DIAGONALS(M15, M11, M9, M14, M3, M12, M13, M0);  \
	COLUMNS(M0, M1, M2, M3, M4, M5, M6, M7);         \
	DIAGONALS(M8, M9, M10, M11, M12, M13, M14, M15); \
	COLUMNS(M14, M10, M4, M8, M9, M15, M13, M6);     \
	DIAGONALS(M1, M12, M0, M2, M11, M7, M5, M3)
