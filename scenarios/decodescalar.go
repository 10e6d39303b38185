package scenarios

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"k8s.io/apimachinery/pkg/api/resource"
)

func (d *decoder) duration(node ast.Node, into reflect.Value, path string) {
	text, _ := scalar(node)
	v, err := time.ParseDuration(text)
	if err != nil {
		d.wrong(node, path, "a duration with its unit, like 90s, 18m or 1h30m")
		return
	}
	into.SetInt(int64(v))
}

func (d *decoder) time(node ast.Node, into reflect.Value, path string) {
	text, _ := scalar(node)
	v, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		d.wrong(node, path, "a time with its zone, like 2026-03-09T08:00:00+01:00")
		return
	}
	into.Set(reflect.ValueOf(v))
}

func (d *decoder) quantity(node ast.Node, into reflect.Value, path string) {
	text, _ := scalar(node)
	v, err := resource.ParseQuantity(strings.TrimSpace(text))
	if err != nil {
		d.wrong(node, path, "a quantity, like 500m, 2 or 64Gi")
		return
	}
	into.Set(reflect.ValueOf(v))
}

func (d *decoder) follow(node ast.Node, into reflect.Value, path string) {
	if b, ok := node.(*ast.BoolNode); ok {
		if b.Value {
			into.SetInt(DefaultFollow)
		}
		return
	}
	if v, ok := number(node); ok && v == math.Trunc(v) && v >= 0 && v <= mostFollowed {
		into.SetInt(int64(v))
		return
	}
	d.wrong(node, path, fmt.Sprintf("true, false, or how many redirects at most, up to %d", mostFollowed))
}

// plain sets strings, numbers and truth values. A string takes any single value as it is written, so that
// `equals: 17` or `kubernetes: 1.30` need no quotes.
func (d *decoder) plain(node ast.Node, into reflect.Value, path string) {
	text, isScalar := scalar(node)
	_, quoted := node.(*ast.StringNode)
	switch into.Kind() {
	case reflect.String:
		if !isScalar {
			d.wrong(node, path, "a text")
			return
		}
		into.SetString(text)
	case reflect.Bool:
		b, ok := node.(*ast.BoolNode)
		if !ok {
			d.wrong(node, path, "true or false")
			return
		}
		into.SetBool(b.Value)
	case reflect.Float32, reflect.Float64:
		v, ok := number(node)
		if quoted || !ok || math.IsInf(v, 0) || math.IsNaN(v) {
			d.wrong(node, path, "a number")
			return
		}
		into.SetFloat(v)
	default:
		d.whole(node, into, path)
	}
}

// number is the value of a number node.
func number(node ast.Node) (float64, bool) {
	switch n := node.(type) {
	case *ast.FloatNode:
		return n.Value, true
	case *ast.IntegerNode:
		switch v := n.Value.(type) {
		case int64:
			return float64(v), true
		case uint64:
			return float64(v), true
		}
	}
	return 0, false
}

// whole sets whole numbers; 6e5 is one, 1.5 is none.
func (d *decoder) whole(node ast.Node, into reflect.Value, path string) {
	signed := into.CanInt()
	if n, ok := node.(*ast.IntegerNode); ok {
		text := fmt.Sprint(n.Value)
		if v, err := strconv.ParseInt(text, 10, 64); err == nil && signed && !into.OverflowInt(v) {
			into.SetInt(v)
			return
		}
		if v, err := strconv.ParseUint(text, 10, 64); err == nil && into.CanUint() && !into.OverflowUint(v) {
			into.SetUint(v)
			return
		}
	}
	if v, ok := number(node); ok && v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		if signed && !into.OverflowInt(int64(v)) {
			into.SetInt(int64(v))
			return
		}
		if into.CanUint() && v >= 0 && !into.OverflowUint(uint64(v)) {
			into.SetUint(uint64(v))
			return
		}
	}
	if signed {
		d.wrong(node, path, fmt.Sprintf("a whole number of at most %d bits", into.Type().Bits()))
		return
	}
	d.wrong(node, path, "a whole number, not negative")
}
