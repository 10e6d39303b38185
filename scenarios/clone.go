package scenarios

import (
	"reflect"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Clone is an independent copy.
func (p *Platform) Clone() *Platform { return clone(p) }

// Clone is an independent copy; it reads CSVs from where the scenario does.
func (s *Scenario) Clone() *Scenario {
	c := clone(s)
	c.files = s.files
	return c
}

// clone copies everything behind pointers, slices and maps. Structs are copied whole first, for the unexported fields
// of times.
func clone[T any](v *T) *T {
	copied := deep(reflect.ValueOf(v))
	return copied.Interface().(*T)
}

func deep(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		p := reflect.New(v.Type().Elem())
		p.Elem().Set(deep(v.Elem()))
		return p
	case reflect.Struct:
		if q, ok := v.Interface().(resource.Quantity); ok {
			return reflect.ValueOf(q.DeepCopy())
		}
		s := reflect.New(v.Type()).Elem()
		s.Set(v)
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				s.Field(i).Set(deep(v.Field(i)))
			}
		}
		return s
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		s := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			s.Index(i).Set(deep(v.Index(i)))
		}
		return s
	case reflect.Map:
		if v.IsNil() {
			return v
		}
		m := reflect.MakeMapWithSize(v.Type(), v.Len())
		for _, key := range v.MapKeys() {
			m.SetMapIndex(key, deep(v.MapIndex(key)))
		}
		return m
	}
	return v
}
