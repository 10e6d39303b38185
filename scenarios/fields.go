package scenarios

import (
	"reflect"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
)

var (
	durationType = reflect.TypeFor[time.Duration]()
	timeType     = reflect.TypeFor[time.Time]()
	quantityType = reflect.TypeFor[resource.Quantity]()
	followType   = reflect.TypeFor[Follow]()
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

// required are the fields that a file must write; all others have a meaning when left out.
var required = map[reflect.Type][]string{
	reflect.TypeFor[Scenario]():   {"name", "arrivals", "tenants", "journeys"},
	reflect.TypeFor[Arrivals]():   {"total", "over"},
	reflect.TypeFor[Shape]():      {"kind"},
	reflect.TypeFor[Point]():      {"at", "rate"},
	reflect.TypeFor[Tenant]():     {"name"},
	reflect.TypeFor[Population](): {"file", "name", "weight"},
	reflect.TypeFor[Journey]():    {"name", "steps"},
	reflect.TypeFor[Step]():       {"name", "url"},
	reflect.TypeFor[File]():       {"field"},
	reflect.TypeFor[Extract]():    {"name"},
	reflect.TypeFor[Impatience](): {"patience", "reload", "comeBack", "giveUp"},
	reflect.TypeFor[Uniform]():    {"min", "max"},
	reflect.TypeFor[LogNormal]():  {"median", "p95"},
	reflect.TypeFor[SLO]():        {"percentile", "within", "errors"},
	reflect.TypeFor[Platform]():   {"name", "pools", "workloads"},
	reflect.TypeFor[NodePool]():   {"name", "count", "capacity"},
	reflect.TypeFor[Backend]():    {"name", "cores"},
	reflect.TypeFor[Workload]():   {"name", "resources", "replicas", "steps"},
	reflect.TypeFor[Work]():       {"cpu"},
	reflect.TypeFor[Admission]():  {"rate"},
	reflect.TypeFor[Disruption](): {"at", "loseNode"},

	reflect.TypeFor[autoscalingv2.HorizontalPodAutoscalerSpec](): {"maxReplicas"},
	reflect.TypeFor[autoscalingv2.MetricSpec]():                  {"type"},
	reflect.TypeFor[autoscalingv2.MetricTarget]():                {"type"},
	reflect.TypeFor[autoscalingv2.HPAScalingPolicy]():            {"type", "value", "periodSeconds"},
}

// join is the path of a field inside the one at path.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
