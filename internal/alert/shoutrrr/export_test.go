package shoutrrr

import "slices"

// Titled reports whether a service is sent a title.
func Titled(scheme string) bool { return slices.Contains(titled, scheme) }
