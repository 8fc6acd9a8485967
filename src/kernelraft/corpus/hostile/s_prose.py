# task: relu
# category: S an explanation in place of a program
# expect: SYNTAX
Here is a fused kernel for ReLU. It reads every element once and writes max(x, 0).
Let me know if you need anything else!
