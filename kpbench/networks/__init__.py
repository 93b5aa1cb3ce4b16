"""Networks: layers under study and the families built from them."""
