package scenarios

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
)

// What older records hold as an English string is read, beside texts by language.
func TestTextIsReadFromAString(t *testing.T) {
	var got []Text
	if err := json.Unmarshal([]byte(`["late", {"de": "spät", "en": "late"}, null, ""]`), &got); err != nil {
		t.Fatal(err)
	}
	if want := []Text{{"en": "late"}, {"de": "spät", "en": "late"}, nil, {"en": ""}}; !reflect.DeepEqual(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
	if de := AllIn(got[:2], "de"); !slices.Equal(de, []string{"late", "spät"}) {
		t.Errorf("in German %q", de)
	}
	for _, bad := range []string{`7`, `["a"]`, `{"de": 7}`} {
		if err := json.Unmarshal([]byte(bad), new(Text)); err == nil {
			t.Errorf("%s is read as a text", bad)
		}
	}
}

func TestDecimal(t *testing.T) {
	for _, c := range [][3]string{
		{"2.5", "de", "2,5"},
		{"2.5", "en", "2.5"},
		{"2.5", "", "2.5"},
		{"-0.25", "de", "-0,25"},
		{"7", "de", "7"},
		{"", "de", ""},
		{"1.5e+06 s", "de", "1,5e+06 s"},
	} {
		if got := Decimal(c[0], c[1]); got != c[2] {
			t.Errorf("%q in %q is %q, want %q", c[0], c[1], got, c[2])
		}
	}
}
