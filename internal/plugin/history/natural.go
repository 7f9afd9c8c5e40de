package history

import "cmp"

// Natural compares names as people sort them: worker-2 is before worker-10.
func Natural(x, y string) int {
	i, j := 0, 0
	for i < len(x) && j < len(y) {
		if !digit(x[i]) || !digit(y[j]) {
			if x[i] != y[j] {
				return cmp.Compare(x[i], y[j])
			}
			i, j = i+1, j+1
			continue
		}
		m, n := number(x, i), number(y, j)
		if c := compareNumbers(x[i:m], y[j:n]); c != 0 {
			return c
		}
		i, j = m, n
	}
	return cmp.Or(cmp.Compare(len(x)-i, len(y)-j), cmp.Compare(x, y))
}

func digit(b byte) bool { return b >= '0' && b <= '9' }

// number is where the number ends that begins at i.
func number(text string, i int) int {
	for i < len(text) && digit(text[i]) {
		i++
	}
	return i
}

func compareNumbers(x, y string) int {
	for len(x) > 1 && x[0] == '0' {
		x = x[1:]
	}
	for len(y) > 1 && y[0] == '0' {
		y = y[1:]
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y))
}
