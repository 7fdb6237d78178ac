// The transcendental functions: Exp, Log, Sin, Cos, Tanh, Sigmoid, Erf and Pow over the algebra, each once for f32 and
// f64.
//
// Branch-free, so that the same template is a scalar function and vector code, and self-contained: no libm. A policy
// that has a function of the same name computes with that instead (duals do).
#pragma once

#include "ir/math_error_function.h"
#include "ir/math_exponential.h"
#include "ir/math_logarithm.h"
#include "ir/math_trigonometric.h"
