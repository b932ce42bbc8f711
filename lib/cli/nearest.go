package cli

// Nearest returns the known words that a mistyped one probably means: only the nearest, at most three.
func Nearest(word string, known []string) []string {
	best := len(word)/3 + 1 // edits: one in a short word, more in a long one
	var near []string
	for _, k := range known {
		switch d := edits(word, k); {
		case d < best:
			best, near = d, []string{k}
		case d == best:
			near = append(near, k)
		}
	}
	return near[:min(len(near), 3)]
}

// edits returns the optimal string alignment distance: insertions, deletions, substitutions, swaps of neighbours.
func edits(a, b string) int {
	before, above := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above = above, row
	}
	return above[len(b)]
}
