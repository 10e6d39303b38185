// Package scenarios holds the two things a person writes down before a run: the [Scenario], what is offered and
// what is promised, and the [Platform], where it lands. It parses them strictly, checks them, and turns an arrival
// curve into the mathematics the schedule is made of.
//
// The way of the data: YAML → syntax tree → Go values, with the place of every field kept → tenants listed from a
// count or a table → what was left out filled in (the Default constants) → checked → [Scenario.Curve], read by package
// arrivals. Each mistake is a [Problem] with file, line, column and field, and says what would be right; all of them
// are told at once. [Marshal] goes the way back.
//
// All times are platform time: offsets from the start of the surge, whatever speed a run later goes at.
package scenarios
