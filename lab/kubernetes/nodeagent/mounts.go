package nodeagent

import (
	"cmp"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// mount is a path at which a container would find a volume, and where it is on this machine: a process has no mount namespace of its own
// without root, so that what names the one is made to name the other.
type mount struct{ at, is string }

// mounts are the pod's, a path that lies within another's first.
func (p *pod) mounts() (list []mount) {
	for _, m := range p.object.Spec.Containers[0].VolumeMounts {
		list = append(list, mount{path.Clean(m.MountPath), filepath.Join(p.folder(m.Name), m.SubPath)})
	}
	slices.SortFunc(list, func(a, b mount) int { return cmp.Compare(len(b.at), len(a.at)) })
	return list
}

// relocate replaces the paths of mounts in text, wherever one begins and ends as a whole: --state=/state/x, /etc/a:/etc/b.
func relocate(text string, mounts []mount) string {
	var out strings.Builder
	for i := 0; i < len(text); {
		if i == 0 || !inPath(text[i-1]) {
			if m := mountAt(text[i:], mounts); m != nil {
				out.WriteString(m.is)
				i += len(m.at)
				continue
			}
		}
		out.WriteByte(text[i])
		i++
	}
	return out.String()
}

func mountAt(text string, mounts []mount) *mount {
	for i, m := range mounts {
		rest, found := strings.CutPrefix(text, m.at)
		if found && (rest == "" || rest[0] == '/' || !inPath(rest[0])) {
			return &mounts[i]
		}
	}
	return nil
}

// inPath says whether a byte belongs to a path, as they are written in pods.
func inPath(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= 0x80 || strings.IndexByte("/._-+@%~", b) >= 0
}
