package scenarios

import (
	"fmt"
	"time"
)

// LoadCurve reads an arrival curve alone from a YAML file: a group whose only field is curve, written as in a scenario's
// arrivals, for a surge of that length. What is wrong with the file is told by file, line and column (see [Problem]).
func LoadCurve(path string, over time.Duration) ([]Shape, error) {
	data, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("curve: %w", err)
	}
	return ParseCurve(path, data, over)
}

// ParseCurve is LoadCurve of a file that was read; name is its name in errors.
func ParseCurve(name string, data []byte, over time.Duration) ([]Shape, error) {
	var file struct {
		Curve []Shape `json:"curve"`
	}
	c, err := decode(name, data, &file)
	if err != nil {
		return nil, err
	}
	if len(file.Curve) == 0 {
		c.add("curve", "has no shape, at least one is needed")
	}
	validateShapes(c, "curve", file.Curve, over)
	return file.Curve, c.err()
}

// validateShapes checks the shapes of a curve, each at its place below path.
func validateShapes(c *checker, path string, shapes []Shape, over time.Duration) {
	for i, shape := range shapes {
		at := fmt.Sprintf("%s[%d]", path, i)
		before := len(c.problems)
		shape.validate(c, at, over)
		if len(c.problems) == before {
			if _, err := shape.pieces(over); err != nil {
				c.add(at, "%v", err)
			}
		}
	}
}
