package model

import (
	"errors"

	"k8s.io/apimachinery/pkg/util/intstr"
)

// errNegative is why a limit below zero is none. The API server refuses it, unless it was stored before.
var errNegative = errors.New("it is less than zero")

// Scaled resolves a number, or a percentage of total, rounded down: a limit never grows by rounding. What is neither, or is less than zero,
// is an error and zero.
func Scaled(value intstr.IntOrString, total int) (int, error) {
	percent, err := intstr.GetScaledValueFromIntOrPercent(&value, 100, false)
	if err != nil {
		return 0, err
	}
	if percent < 0 {
		return 0, errNegative
	}
	return intstr.GetScaledValueFromIntOrPercent(&value, total, false)
}
