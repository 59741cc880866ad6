"""The FER GiMeFive benchmark, put together from its sources: as published, and clean."""
