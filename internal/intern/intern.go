// Package intern keeps texts that many objects have in common, such as the keys of labels, once in memory. A text that nothing uses anymore
// is freed.
package intern

import "unique"

// Text returns the text as all have it in common who ask for the same one.
func Text[S ~string](text S) S {
	if text == "" {
		return text
	}
	return unique.Make(text).Value()
}

// Map returns a copy of a map of texts that have memory in common with others; nil if there are none.
func Map(texts map[string]string) map[string]string {
	if len(texts) == 0 {
		return nil
	}
	interned := make(map[string]string, len(texts))
	for key, value := range texts {
		interned[Text(key)] = Text(value)
	}
	return interned
}
