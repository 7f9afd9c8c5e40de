package forecast

import "strings"

func capitalized(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func joined(sentences []string) string { return strings.Join(sentences, " ") }
