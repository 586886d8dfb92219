package imports

import "golang.org/x/text/language"

// Country says whether a code is one that phone numbers are read with, as GB; UK is none.
func Country(code string) bool {
	region, err := language.ParseRegion(code)
	return err == nil && region.IsCountry() && region.Canonicalize().String() == code
}
