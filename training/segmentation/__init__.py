"""A class for every pixel: masks read strictly, nets that tell maps, what is published of them."""
