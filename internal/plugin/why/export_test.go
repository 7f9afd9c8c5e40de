package why

// CompareGolden is for tests from outside.
var CompareGolden = compareGolden
