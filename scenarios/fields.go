package scenarios

import (
	"reflect"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

var (
	durationType = reflect.TypeFor[time.Duration]()
	timeType     = reflect.TypeFor[time.Time]()
	quantityType = reflect.TypeFor[resource.Quantity]()
)

// field is one field of a struct as a file names it.
type field struct {
	name     string
	index    int
	optional bool // may be left out when zero
}

// fieldsOf lists a struct's fields that have a json name: Kubernetes' types and ours alike.
func fieldsOf(t reflect.Type) []field {
	var list []field
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" && t.Field(i).IsExported() {
			list = append(list, field{name, i, strings.Contains(options, "omit")})
		}
	}
	return list
}

// brief writes a duration without trailing zero units: 18m, not 18m0s.
func brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
