// Package scenarios holds the two things a person writes down before a run: the [Scenario], what is offered and
// what is promised, and the [Platform], where it lands. It parses them strictly, checks them, and turns an arrival
// curve into the mathematics the schedule is made of.
//
// The way of the data: YAML → [Load] or [LoadPlatform] (unknown fields are errors with file, line, column and the
// nearest known name) → Validate → [Scenario.Curve], read by package arrivals.
//
// All times are platform time: offsets from the start of the surge, whatever speed a run later goes at.
package scenarios
