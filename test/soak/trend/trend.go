// Package trend tells growth from noise.
package trend

import (
	"math"
	"time"
)

// Least is how many samples it takes to say anything.
const Least = 12

// buckets is how many means a line is laid through at most. Samples that follow each other are alike; means of many are less so.
const buckets = 24

// sure is how many times its own error a slope has to be to be one.
const sure = 3.5

// Sample is a value at a time.
type Sample struct {
	At    time.Duration // since the beginning
	Value float64
}

// Allowance is how much may come on top that is not a trend.
type Allowance struct {
	// Share of the mean, such as 0.05, and Absolute, in units of the value. The greater one counts.
	Share, Absolute float64
}

// Line is what a series does in its last three quarters.
type Line struct {
	// First and Last are the means of the second and of the last quarter.
	First, Last float64
	// PerHour is the slope, and Error its standard error.
	PerHour, Error float64
	// Growth is the growth that results from the slope over the three quarters.
	Growth float64
	// Grows says that it is a trend: surer than noise, and more than is allowed.
	Grows bool
	// Few says that there are too few samples to tell.
	Few bool
}

// Of lays a line through the last three quarters of a series, which is in order of time.
func Of(samples []Sample, allowed Allowance) Line {
	if len(samples) < Least {
		return Line{Few: true}
	}
	begin, end := samples[0].At, samples[len(samples)-1].At
	quarter := (end - begin) / 4
	late := samples
	for len(late) > 0 && late[0].At < begin+quarter {
		late = late[1:]
	}
	if len(late) < Least/2 || quarter == 0 {
		return Line{Few: true}
	}
	slope, failure := regression(means(late))
	span := (late[len(late)-1].At - late[0].At).Hours()
	line := Line{
		First: mean(between(samples, begin+quarter, begin+2*quarter)), Last: mean(between(samples, end-quarter, end)),
		PerHour: slope, Error: failure, Growth: slope * span,
	}
	line.Grows = slope > sure*failure && line.Growth > max(allowed.Absolute, allowed.Share*mean(late))
	return line
}

// means makes few samples of many.
func means(samples []Sample) []Sample {
	if len(samples) <= buckets {
		return samples
	}
	few := make([]Sample, 0, buckets)
	for i := range buckets {
		part := samples[i*len(samples)/buckets : (i+1)*len(samples)/buckets]
		var at time.Duration
		for _, sample := range part {
			at += sample.At
		}
		few = append(few, Sample{At: at / time.Duration(len(part)), Value: mean(part)})
	}
	return few
}

func mean(samples []Sample) float64 {
	sum := 0.0
	for _, sample := range samples {
		sum += sample.Value
	}
	return sum / float64(max(len(samples), 1))
}

func between(samples []Sample, from, to time.Duration) []Sample {
	var some []Sample
	for _, sample := range samples {
		if from <= sample.At && sample.At <= to {
			some = append(some, sample)
		}
	}
	return some
}

// regression is the slope of the best line by hours, and its standard error.
func regression(samples []Sample) (slope, failure float64) {
	n := float64(len(samples))
	var sumX, sumY float64
	for _, sample := range samples {
		sumX += sample.At.Hours()
		sumY += sample.Value
	}
	meanX, meanY := sumX/n, sumY/n
	var xx, xy float64
	for _, sample := range samples {
		x, y := sample.At.Hours()-meanX, sample.Value-meanY
		xx += x * x
		xy += x * y
	}
	if xx == 0 || n < 3 {
		return 0, math.Inf(1)
	}
	slope = xy / xx
	var rest float64
	for _, sample := range samples {
		off := sample.Value - meanY - slope*(sample.At.Hours()-meanX)
		rest += off * off
	}
	return slope, math.Sqrt(rest / (n - 2) / xx)
}
