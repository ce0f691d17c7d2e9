;; SPDX-License-Identifier: Apache-2.0
;; A local computation with floating point.
(module
  (import "env" "memory" (memory 2))
  (global $__stack_pointer (mut i32) (i32.const 65536))
  (global $end i32 (i32.const 65536))
  (export "__gear_stack_end" (global $end))
  (func (export "handle") (drop (f32.add (f32.const 1) (f32.const 2)))))
