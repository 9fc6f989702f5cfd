// placeholder until the matrix-product kernels land
