"""WHERE a load balancer runs. Each target loads its SDK only when it renders."""
