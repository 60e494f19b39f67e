//go:build cgo

// Package nv reaches the two things that make a TPM simulator one device and
// not another, which the simulator's Go interface does not offer: its
// non-volatile memory and its clock. And it reaches the list of algorithms that
// are still to be tested: the self-tests are of the code, which one device has
// in common with the next, and take longer than all that a device usually wants
// done. All are ordinary globals of the Microsoft reference code that
// github.com/google/go-tpm-tools compiles in; they are declared weak, so that a
// simulator built otherwise is noticed at run time instead of at link time.
//
// The package needs the same care as the simulator: one user at a time.
package nv

// #include <stdbool.h>
// #include <stdint.h>
// #include <string.h>
// extern unsigned char s_NV[16384] __attribute__((weak));
// extern uint64_t s_tpmTime __attribute__((weak));
// extern unsigned char g_toTest[9] __attribute__((weak));
// extern void _plat__Reset(bool forceManufacture);
// static bool present(void) { return s_NV != 0 && &s_tpmTime != 0 && g_toTest != 0; }
// static unsigned char tested[9];
// static void tests_out(void) { for (int i = 0; i < 9; i++) tested[i] = ~g_toTest[i]; }
// static void tests_in(void) { for (int i = 0; i < 9; i++) g_toTest[i] &= ~tested[i]; }
// static void nv_out(void *p) { memcpy(p, s_NV, 16384); }
// static void nv_in(const void *p) { memcpy(s_NV, p, 16384); }
// static void time_at_least(uint64_t ms) { if (s_tpmTime < ms) s_tpmTime = ms; }
import "C"

import "unsafe"

// Size is the length of the non-volatile memory.
const Size = 16384

// Present reports whether the simulator's memory can be reached.
func Present() bool { return bool(C.present()) }

// Save copies the memory out.
func Save() []byte {
	image := make([]byte, Size)
	C.nv_out(unsafe.Pointer(&image[0]))
	return image
}

// Load replaces the memory by image, of length Size, and cycles the power. The
// next command must be TPM2_Startup.
func Load(image []byte) {
	_ = image[Size-1]
	C.nv_in(unsafe.Pointer(&image[0]))
	C._plat__Reset(false)
}

// TestsDone remembers which algorithms need no self-test any more, before Load;
// SkipTests tells the TPM so, after its startup. A bit for each algorithm number
// of TPM 2.0 Part 2, 6.3, set while its test is due.
func TestsDone() { C.tests_out() }

// SkipTests is the other half of TestsDone.
func SkipTests() { C.tests_in() }

// TimeAtLeast moves the TPM's time, milliseconds since power on, forward to ms.
func TimeAtLeast(ms uint64) { C.time_at_least(C.uint64_t(ms)) }
