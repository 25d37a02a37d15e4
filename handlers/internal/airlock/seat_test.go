package airlock

import "testing"

// TestSeatFindsEverySeatThatThereIs tries all choices that four people can have among three slots, with every count up to two.
// Each is seated if and only if everybody before them who was seated and they can be seated together.
func TestSeatFindsEverySeatThatThereIs(t *testing.T) {
	const people, slots = 4, 3
	subsets := make([][]int, 1<<slots)
	for set := range subsets {
		for slot := range slots {
			if set>>slot&1 == 1 {
				subsets[set] = append(subsets[set], slot)
			}
		}
	}
	full := 0
	for c := range 27 {
		counts := []int{c % 3, c / 3 % 3, c / 9}
		for n := range 1 << (slots * people) {
			choices := make([][]int, people)
			for i := range choices {
				choices[i] = subsets[n>>(slots*i)&(1<<slots-1)]
			}
			var seated [][]int
			taken := make([]int, slots)
			for i, slot := range seat(counts, choices) {
				possible := fit(counts, append(seated, choices[i]))
				switch {
				case possible != (slot != unseated):
					t.Fatalf("counts %v, choices %v: person %d has seat %d, possible is %v", counts, choices, i, slot, possible)
				case slot != unseated && n>>(slots*i+slot)&1 == 0:
					t.Fatalf("counts %v, choices %v: person %d has seat %d, which they cannot fill", counts, choices, i, slot)
				case slot != unseated:
					seated = append(seated, choices[i])
					taken[slot]++
				}
			}
			for slot, n := range taken {
				if n > counts[slot] {
					t.Fatalf("counts %v, choices %v: %d people in slot %d", counts, choices, n, slot)
				}
			}
			if len(seated) == people {
				full++
			}
		}
	}
	if full == 0 {
		t.Error("not once was everybody seated")
	}
}

// fit tries every way to seat everybody.
func fit(counts []int, choices [][]int) bool {
	if len(choices) == 0 {
		return true
	}
	for _, slot := range choices[0] {
		if counts[slot] > 0 {
			counts[slot]--
			ok := fit(counts, choices[1:])
			counts[slot]++
			if ok {
				return true
			}
		}
	}
	return false
}
