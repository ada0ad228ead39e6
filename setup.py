"""The extension module; everything else is in pyproject.toml."""

from glob import glob

from Cython.Build import cythonize
from setuptools import Extension, setup

core = Extension(
    "edgeworth_acct._core",
    sources=["edgeworth_acct/_core.pyx", *sorted(glob("csrc/*.c"))],
    include_dirs=["csrc"],
    depends=sorted(glob("csrc/*.h")),
    # Certified bounds rest on IEEE semantics: no contraction, never -ffast-math.  No code here reads errno or traps;
    # -fopenmp-simd honours `omp simd` on loops, without any run-time library.
    extra_compile_args=[
        "-std=c11",
        "-O3",
        "-ffp-contract=off",
        "-fno-math-errno",
        "-fno-trapping-math",
        "-fopenmp-simd",
        "-fvisibility=hidden",
    ],
    libraries=["m"],
)

setup(ext_modules=cythonize([core], build_dir="build/cython"))
