package shorten

import (
	"strings"
	"testing"
)

func TestTextsAreCutToWholeCharacters(t *testing.T) {
	for name, test := range map[string]struct{ text, beginning, marked string }{
		"nothing":                          {"", "", ""},
		"what fits":                        {"12345678", "12345678", "12345678"},
		"a byte longer":                    {"123456789", "12345678", "12345..."},
		"a character at the end":           {"1234567é", "1234567", "12345..."},
		"a character that would be halved": {"1234é6789", "1234é67", "1234..."},
		"none but such characters":         {"ééééé", "éééé", "éé..."},
		"what is no text":                  {strings.Repeat("\x80", 20), "", "..."},
	} {
		if got := Beginning(test.text, 8); got != test.beginning {
			t.Errorf("%s: the beginning is %q, want %q", name, got, test.beginning)
		}
		if got := Marked(test.text, 8); got != test.marked {
			t.Errorf("%s: marked %q, want %q", name, got, test.marked)
		}
	}
}
