import { plantedTests } from './planted-tests.ts'

plantedTests(1, 2)
