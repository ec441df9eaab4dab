from setuptools import setup

setup(
    name="almanac",
    version="1.2.0",
    description="What kind of day a day is",
    packages=["almanac"],
    package_data={"almanac": ["days.txt"]},
    entry_points={"console_scripts": ["almanac = almanac.main:main"]},
    python_requires=">=3.9",
)
