package scenarios

import "testing"

func TestDecimal(t *testing.T) {
	for _, c := range [][3]string{
		{"2.5", "de", "2,5"}, {"2.5", "en", "2.5"}, {"2.5", "", "2.5"}, {"-0.25", "de", "-0,25"},
		{"7", "de", "7"}, {"", "de", ""}, {"1.5e+06 s", "de", "1,5e+06 s"},
	} {
		if got := Decimal(c[0], c[1]); got != c[2] {
			t.Errorf("%q in %q is %q, want %q", c[0], c[1], got, c[2])
		}
	}
}
