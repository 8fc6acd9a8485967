# task: relu
# category: S only comments
# expect: NOT_TRITON
# class ModelNew(nn.Module): the kernel goes here
